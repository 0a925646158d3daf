import CKernels
import Foundation
import Testing

@testable import Tensors

/// Laid-out dense layers, of every kind this processor has.
@Suite struct DenseTests {
    private static let kinds: [UInt32] = [PK_DENSE_4, PK_DENSE_8, PK_DENSE_16].map(\.rawValue).filter { $0 <= pk_dense_best().rawValue }
        + (pk_dense_has_bf16() != 0 ? [PK_DENSE_BF16.rawValue] : [])

    /// The nearest number of 8 significant bits, halves to even, found among the two neighbours.
    private static func bfloat16(_ x: Float) -> Float {
        let below = Float(bitPattern: x.bitPattern & 0xFFFF_0000), above = Float(bitPattern: (x.bitPattern & 0xFFFF_0000) + 0x10000)
        let a = abs(Double(x) - Double(below)), b = abs(Double(above) - Double(x))
        return a < b || (a == b && (below.bitPattern >> 16) & 1 == 0) ? below : above
    }

    private struct Layer {
        let kind: pk_dense_kind, depth: Int, columns: Int
        var x: [Float], w: [Float], b: [Float]

        /// 100 rows of x with stride depth + 3, the gaps NaN; some values halfway between two bfloat16.
        init(_ kind: UInt32, _ depth: Int, _ columns: Int) {
            var noise = Noise(state: UInt64(depth * 1009 + columns))
            (self.kind, self.depth, self.columns) = (pk_dense_kind(kind), depth, columns)
            func value() -> Float {
                let v = Float(noise.next())
                return noise.next() > 0.8 ? Float(bitPattern: v.bitPattern & 0xFFFF_0000 | 0x8000) : v
            }
            x = (0..<100 * (depth + 3)).map { $0 % (depth + 3) < depth ? value() : .nan }
            w = (0..<depth * columns).map { _ in value() }
            b = (0..<columns).map { _ in value() }
        }

        /// y with stride columns + 2, its gaps −7 beforehand.
        func run(_ rows: Range<Int>, silu: Bool = false) -> [Float] {
            let packed = UnsafeMutableRawPointer.allocate(byteCount: 4 * pk_dense_size(kind, depth, columns), alignment: 64)
            defer { packed.deallocate() }
            let words = packed.bindMemory(to: Float.self, capacity: pk_dense_size(kind, depth, columns))
            pk_dense_pack(kind, depth, columns, w, b, words)
            var y = [Float](repeating: -7, count: rows.count * (columns + 2))
            x.withUnsafeBufferPointer {
                pk_dense(kind, rows.count, columns, depth, $0.baseAddress! + rows.lowerBound * (depth + 3), depth + 3, words, silu ? 1 : 0, &y, columns + 2)
            }
            return y
        }
    }

    @Test(arguments: kinds, [(1, 1), (20, 64), (64, 33), (31, 192), (33, 11), (257, 16)])
    func equalsPlainLoops(_ kind: UInt32, _ size: (depth: Int, columns: Int)) {
        let layer = Layer(kind, size.depth, size.columns), narrow = kind == PK_DENSE_BF16.rawValue
        func operand(_ v: Float) -> Double { Double(narrow ? Self.bfloat16(v) : v) }
        for rows in Array(1...13) + [100] {
            let y = layer.run(0..<rows), bent = layer.run(0..<rows, silu: true)
            var wrong = 0, bentWrong = 0, touched = 0
            for i in 0..<rows {
                for j in 0..<size.columns {
                    var exact = Double(layer.b[j]), sizes = abs(exact)
                    for k in 0..<size.depth {
                        let product = operand(layer.x[i * (size.depth + 3) + k]) * operand(layer.w[k * size.columns + j])
                        exact += product
                        sizes += abs(product)
                    }
                    let found = Double(y[i * (size.columns + 2) + j]), silu = found / (1 + exp(-found))
                    if !(abs(found - exact) <= 2 * Double(size.depth + 1) * 0x1p-24 * sizes) { wrong += 1 }
                    if !(abs(Double(bent[i * (size.columns + 2) + j]) - silu) <= 1e-6 * abs(silu) + 1e-30) { bentWrong += 1 }
                }
                for j in size.columns..<size.columns + 2 where y[i * (size.columns + 2) + j] != -7 { touched += 1 }
            }
            #expect(wrong == 0 && bentWrong == 0 && touched == 0, "\(rows) rows")
        }
    }

    /// Bit for bit the product and the bias that training runs, for the vectors that it runs them with.
    @Test(arguments: [(20, 64), (64, 33), (257, 192)])
    func singlePrecisionIsTheLayersOwn(_ size: (depth: Int, columns: Int)) {
        var layer = Layer(pk_dense_best().rawValue, size.depth, size.columns)
        var c = [Float](repeating: 0, count: 100 * size.columns)
        let y = layer.run(0..<100)
        Float.product(
            rows: 100, columns: size.columns, depth: size.depth, a: &layer.x, aStride: size.depth + 3, b: &layer.w, bStride: size.columns, c: &c,
            cStride: size.columns)
        Float.bias(&c, &layer.b, 100, size.columns)
        for i in 0..<100 {
            for j in 0..<size.columns { #expect(y[i * (size.columns + 2) + j].bitPattern == c[i * size.columns + j].bitPattern) }
        }
    }

    @Test(arguments: kinds, [(20, 33), (63, 64)])
    func rowsDoNotDependOnTheirCompany(_ kind: UInt32, _ size: (depth: Int, columns: Int)) {
        let layer = Layer(kind, size.depth, size.columns), stride = size.columns + 2
        for silu in [false, true] {
            let whole = layer.run(0..<100, silu: silu).map(\.bitPattern)
            for count in 1...13 {
                for first in [0, 1, 41, 100 - count] {
                    let part = layer.run(first..<first + count, silu: silu).map(\.bitPattern)
                    #expect(part[...] == whole[first * stride..<(first + count) * stride], "\(count) rows from \(first)")
                }
            }
        }
    }

    /// Rounding reaches the sum: were operands kept in single precision, this would be exact.
    @Test(.enabled(if: pk_dense_has_bf16() != 0)) func bfloat16Rounds() {
        var layer = Layer(PK_DENSE_BF16.rawValue, 2, 1)
        layer.x[0] = 1 + 0x1p-8; layer.x[1] = 1 + 0x1p-8 + 0x1p-20
        layer.w = [1, 1]; layer.b = [0]
        #expect(layer.run(0..<1)[0] == 1 + (1 + 0x1p-7))
    }
}
