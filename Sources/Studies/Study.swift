import Results

/// What a study asks, of which contenders, on which axes, and what it expects (docs/sweeps.md).
public struct Study: Hashable, Sendable {
  public var name: String
  public var question: String
  /// In the order of the file; at least one.
  public var grids: [Grid]
  /// Expectations over all grids.
  public var expectations: [Expectation]
  /// The YAML as it was read.
  public var text: String
}

/// Axes and contenders that are crossed with each other.
public struct Grid: Hashable, Sendable {
  public var name: String
  public var place: Place
  public var baseline: String
  public var seeds: [Int]
  public var kept: KeptRows
  public var onReject: OnReject
  /// Of the study and of the grid.
  public var options: [Setting]
  public var axes: [Axis]
  public var contenders: [Contender]
  public var expectations: [Expectation]
}

/// An option's value and where it stands.
public struct Setting: Hashable, Sendable {
  public var key: String
  public var value: String
  public var place: Place
}

/// A dimension of a grid.
public struct Axis: Hashable, Sendable {
  public var name: String
  public var place: Place
  /// At least one, no name twice.
  public var values: [Value]

  /// A name and the options that it stands for.
  public struct Value: Hashable, Sendable {
    public var name: String
    public var settings: [Setting]
  }
}

/// A policy with options of its own, by a label that is unique in its grid.
public struct Contender: Hashable, Sendable {
  public var label: String
  public var policy: String
  public var options: [Setting]
  public var place: Place
}

/// An expression that must hold.
public struct Expectation: Hashable, Sendable {
  public var text: String
  public var place: Place
  public var check: Check

  package init(text: String, place: Place, check: Check) {
    self.text = text
    self.place = place
    self.check = check
  }
}

/// What is done when not all contenders complete the same requests (semantics.md 27).
public enum OnReject: String, CaseIterable, Sendable {
  /// The comparison fails.
  case fail
  /// All contenders run again on the requests that all of them complete.
  case common
  /// Contenders are shown as they are; no ratio is printed between those that completed other requests.
  case raw
}
