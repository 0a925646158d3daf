import CZlib
import Foundation

/// An 8-bit RGB picture that can be stored as PNG.
public struct PNGImage: Sendable {
    public let width: Int, height: Int
    /// width · height · 3 bytes, rows from the top.
    public var pixels: [UInt8]

    public init(width: Int, height: Int) {
        precondition(width > 0 && height > 0)
        self.width = width
        self.height = height
        pixels = Array(repeating: 0, count: width * height * 3)
    }

    /// Lightens one pixel towards a colour (components 0…1) by `coverage` 0…1; outside the picture nothing happens.
    public mutating func blend(_ x: Int, _ y: Int, _ colour: SIMD3<Float>, coverage: Float) {
        guard x >= 0, y >= 0, x < width, y < height else { return }
        for c in 0..<3 {
            let i = (y * width + x) * 3 + c
            let old = Float(pixels[i])
            pixels[i] = UInt8(max(0, min(255, (old + (255 * colour[c] - old) * coverage).rounded())))
        }
    }

    /// Draws a straight line with soft edges; coordinates in pixels, (0, 0) the centre of the upper left one.
    public mutating func line(from a: SIMD2<Float>, to b: SIMD2<Float>, width thickness: Float, _ colour: SIMD3<Float>)
    {
        let d = b - a, length = (d * d).sum()
        let margin = thickness / 2 + 1
        let low: SIMD2<Float> = pointwiseMin(a, b) - margin
        let high: SIMD2<Float> = pointwiseMax(a, b) + margin
        guard high.x >= 0, high.y >= 0, low.x < Float(width), low.y < Float(height) else { return }
        for y in max(0, Int(low.y))...max(0, min(height - 1, Int(high.y))) {
            for x in max(0, Int(low.x))...max(0, min(width - 1, Int(high.x))) {
                let p = SIMD2<Float>(Float(x), Float(y)) - a
                let t: Float = length > 0 ? max(0, min(1, (p * d).sum() / length)) : 0
                let off: SIMD2<Float> = p - d * t
                let coverage = thickness / 2 + 0.5 - (off * off).sum().squareRoot()
                if coverage > 0 { blend(x, y, colour, coverage: min(1, coverage)) }
            }
        }
    }

    /// The PNG file's bytes: one IDAT chunk, each row predicted from the one above.
    /// - Source: W3C Portable Network Graphics (third edition), §5 and §9.
    public func encode() -> Data {
        let stride = width * 3
        var rows: [UInt8] = []
        rows.reserveCapacity((stride + 1) * height)
        for y in 0..<height {
            rows.append(2)
            for i in 0..<stride { rows.append(pixels[y * stride + i] &- (y > 0 ? pixels[(y - 1) * stride + i] : 0)) }
        }
        var size = compressBound(UInt(rows.count))
        var packed = [UInt8](repeating: 0, count: Int(size))
        let status = compress2(&packed, &size, rows, UInt(rows.count), 9)
        precondition(status == Z_OK, "zlib compresses into a buffer of compressBound bytes")
        var file = Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
        func chunk(_ type: String, _ body: [UInt8]) {
            let content = Array(type.utf8) + body
            file.append(contentsOf: Self.bigEndian(UInt32(body.count)))
            file.append(contentsOf: content)
            file.append(contentsOf: Self.bigEndian(UInt32(crc32(0, content, UInt32(content.count)))))
        }
        chunk("IHDR", Self.bigEndian(UInt32(width)) + Self.bigEndian(UInt32(height)) + [8, 2, 0, 0, 0])
        chunk("IDAT", Array(packed[0..<Int(size)]))
        chunk("IEND", [])
        return file
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
}
