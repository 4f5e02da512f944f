// Replaced by the sweep branch.
