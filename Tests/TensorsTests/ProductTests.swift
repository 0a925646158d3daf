import Foundation
import Testing

@testable import Tensors

/// The layers' matrix product: values, strides, and rows that know nothing of each other.
@Suite struct ProductTests {
    private static let rows = Array(1...13) + [100]

    /// A with stride `depth + 3`, B with stride `columns + 5`: gaps hold NaN, which any read beyond a row would spread.
    private static func operands(_ rows: Int, _ columns: Int, _ depth: Int) -> (a: [Float], b: [Float]) {
        var noise = Noise(state: UInt64(rows * 1_000_003 + columns * 1009 + depth))
        func filled(_ rows: Int, _ used: Int, _ stride: Int) -> [Float] {
            (0..<rows * stride).map { $0 % stride < used ? Float(noise.next()) : .nan }
        }
        return (filled(rows, depth, depth + 3), filled(depth, columns, columns + 5))
    }

    /// C with stride `columns + 2`, its gaps −7 beforehand.
    private static func product(_ a: [Float], _ b: [Float], _ rows: Range<Int>, _ columns: Int, _ depth: Int) -> [Float]
    {
        var a = a, b = b, c = [Float](repeating: -7, count: rows.count * (columns + 2))
        a.withUnsafeMutableBufferPointer { a in
            b.withUnsafeMutableBufferPointer { b in
                c.withUnsafeMutableBufferPointer { c in
                    Float.product(
                        rows: rows.count, columns: columns, depth: depth,
                        a: a.baseAddress! + rows.lowerBound * (depth + 3), aStride: depth + 3,
                        b: b.baseAddress!, bStride: columns + 5, c: c.baseAddress!, cStride: columns + 2)
                }
            }
        }
        return c
    }

    @Test(arguments: [1, 20, 64, 257], [1, 11, 16, 33, 64, 192])
    func equalsTheTripleLoop(_ depth: Int, _ columns: Int) {
        for rows in Self.rows {
            let (a, b) = Self.operands(rows, columns, depth), c = Self.product(a, b, 0..<rows, columns, depth)
            var wrong = 0, touched = 0, unlikeFused = 0, unlikePlain = 0
            for i in 0..<rows {
                for j in 0..<columns {
                    var exact = 0.0, size = 0.0, fused: Float = 0, plain: Float = 0
                    for k in 0..<depth {
                        let x = a[i * (depth + 3) + k], y = b[k * (columns + 5) + j]
                        exact += Double(x) * Double(y)
                        size += abs(Double(x) * Double(y))
                        fused.addProduct(x, y)
                        plain += x * y
                    }
                    let found = c[i * (columns + 2) + j]
                    // A chain of `depth` roundings, twice that where products are rounded too.
                    if !(abs(Double(found) - exact) <= 2 * Double(depth) * 0x1p-24 * size) { wrong += 1 }
                    if found != fused { unlikeFused += 1 }
                    if found != plain { unlikePlain += 1 }
                }
                for j in columns..<columns + 2 where c[i * (columns + 2) + j] != -7 { touched += 1 }
            }
            #expect(wrong == 0 && touched == 0, "\(rows) × \(columns), depth \(depth)")
            // Sums over k go in order: fused, or not fused on a CPU that cannot.
            #expect(unlikeFused == 0 || unlikePlain == 0, "\(rows) × \(columns), depth \(depth)")
        }
    }

    @Test(arguments: [1, 20, 64, 257], [1, 11, 16, 33, 64, 192])
    func rowsDoNotDependOnTheirCompany(_ depth: Int, _ columns: Int) {
        let (a, b) = Self.operands(100, columns, depth), whole = Self.product(a, b, 0..<100, columns, depth)
        func row(_ c: [Float], _ i: Int) -> [UInt32] { (0..<columns).map { c[i * (columns + 2) + $0].bitPattern } }
        for count in 1...13 {
            for first in [0, 1, 3, 41, 100 - count] {
                let part = Self.product(a, b, first..<first + count, columns, depth)
                for i in 0..<count {
                    #expect(row(part, i) == row(whole, first + i), "row \(i) of \(count) from \(first)")
                }
            }
        }
    }
}
