/// Colours that people with any colour vision tell apart.
package enum Palette {
  /// Okabe and Ito, "Color Universal Design" (jfly.uni-koeln.de/color, 2008), without the yellow, which is faint on white;
  /// then the same darker. Series differ in their point type as well.
  package static let series = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#004d79", "#8f3f00",
    "#006b4e",
    "#8a4f71", "#9b6b00",
  ]
  package static func color(_ index: Int) -> String { series[index % series.count] }
  /// gnuplot's filled circle, square, triangle, diamond, then the open ones.
  package static func point(_ index: Int) -> Int { [7, 5, 9, 13, 6, 4, 8, 12][index % 8] }

  /// One hue from white to dark: ColorBrewer's Blues.
  package static let sequential = ["#ffffff", "#deebf7", "#9ecae1", "#4292c6", "#08519c", "#08306b"]
  /// Two hues that meet at a neutral: ColorBrewer's PuOr, orange below and purple above.
  package static let diverging = [
    "#b35806", "#f1a340", "#fee0b6", "#f7f7f7", "#d8daeb", "#998ec3", "#542788",
  ]

  /// A `set palette` of the colours at equal distances.
  package static func gnuplot(_ colors: [String]) -> String {
    "set palette defined ("
      + colors.enumerated().map { "\($0) \"\($1)\"" }.joined(separator: ", ") + ")\n"
  }
}
