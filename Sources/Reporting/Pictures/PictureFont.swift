/// The few letters that pictures are labelled with, five dots wide and seven high.
enum PictureFont {
    private static let glyphs: [Character: [UInt8]] = [
        "0": [14, 17, 19, 21, 25, 17, 14], "1": [4, 12, 4, 4, 4, 4, 14], "2": [14, 17, 1, 2, 4, 8, 31],
        "3": [31, 2, 4, 2, 1, 17, 14], "4": [2, 6, 10, 18, 31, 2, 2], "5": [31, 16, 30, 1, 1, 17, 14],
        "6": [6, 8, 16, 30, 17, 17, 14], "7": [31, 1, 2, 4, 8, 8, 8], "8": [14, 17, 17, 14, 17, 17, 14],
        "9": [14, 17, 17, 15, 1, 2, 12], "A": [14, 17, 17, 31, 17, 17, 17], "I": [14, 4, 4, 4, 4, 4, 14],
        "L": [16, 16, 16, 16, 16, 16, 31], "P": [30, 17, 17, 30, 16, 16, 16], "R": [30, 17, 17, 30, 20, 18, 17],
        "S": [15, 16, 16, 14, 1, 1, 30], "x": [0, 0, 17, 10, 4, 10, 17], "y": [0, 0, 17, 17, 15, 1, 14],
        "z": [0, 0, 31, 2, 4, 8, 31], "m": [0, 0, 26, 21, 21, 21, 21], "=": [0, 0, 31, 0, 31, 0, 0],
        "-": [0, 0, 0, 31, 0, 0, 0], ".": [0, 0, 0, 0, 0, 12, 12], " ": [0, 0, 0, 0, 0, 0, 0],
        "λ": [8, 4, 4, 6, 10, 17, 17],
    ]

    /// How wide a text is, in dots.
    static func width(_ text: String) -> Int { max(0, 6 * text.count - 1) }
    static let height = 7

    /// Writes a text whose upper left corner is given; letters that are not known are left out.
    /// - Parameter scale: pixels a dot.
    static func draw(_ text: String, in image: inout PNGImage, x: Int, y: Int, scale: Int, _ colour: SIMD3<Float>) {
        for (i, letter) in text.enumerated() {
            guard let rows = glyphs[letter] else { continue }
            for (row, bits) in rows.enumerated() {
                for column in 0..<5 where bits >> UInt8(4 - column) & 1 == 1 {
                    let left = x + (6 * i + column) * scale, top = y + row * scale
                    for b in 0..<scale { for a in 0..<scale { image.blend(left + a, top + b, colour, coverage: 1) } }
                }
            }
        }
    }
}
