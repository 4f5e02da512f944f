// Programs are run by `Output`, since gnuplot draws for others as well. Who imports this module finds them.
@_exported import func Output.findProgram
@_exported import func Output.runProgram
