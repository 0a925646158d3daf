import CKernels
import Foundation
import Testing

@testable import Tensors

/// Laid-out dense layers, of every kind this processor has.
@Suite struct DenseTests {
    private static let kinds: [UInt32] =
        [PK_DENSE_4, PK_DENSE_8, PK_DENSE_16].map(\.rawValue).filter { $0 <= pk_dense_best().rawValue }
        + (pk_dense_has_bf16() != 0 ? [PK_DENSE_BF16.rawValue] : [])

    /// The nearest number of 8 significant bits, halves to even, found among the two neighbours.
    private static func bfloat16(_ x: Float) -> Float {
        let below = Float(bitPattern: x.bitPattern & 0xFFFF_0000),
            above = Float(bitPattern: (x.bitPattern & 0xFFFF_0000) + 0x10000)
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
            var around = pk_dense_around(), y = [Float](repeating: -7, count: rows.count * (columns + 2))
            around.silu = silu ? 1 : 0
            run(rows, around, into: &y)
            return y
        }

        func run(_ rows: Range<Int>, _ around: pk_dense_around, into y: UnsafeMutablePointer<Float>) {
            let packed = UnsafeMutableRawPointer.allocate(
                byteCount: 4 * pk_dense_size(kind, depth, columns), alignment: 64)
            defer { packed.deallocate() }
            let words = packed.bindMemory(to: Float.self, capacity: pk_dense_size(kind, depth, columns))
            pk_dense_pack(kind, depth, columns, w, b, words)
            var around = around
            x.withUnsafeBufferPointer {
                pk_dense(
                    kind, rows.count, columns, depth, $0.baseAddress! + rows.lowerBound * (depth + 3), depth + 3, words,
                    &around, y, columns + 2)
            }
        }
    }

    @Test(arguments: kinds, [(1, 1), (20, 64), (64, 33), (31, 192), (33, 11), (257, 16), (300, 40)])
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
                        let product =
                            operand(layer.x[i * (size.depth + 3) + k]) * operand(layer.w[k * size.columns + j])
                        exact += product
                        sizes += abs(product)
                    }
                    let found = Double(y[i * (size.columns + 2) + j]), silu = found / (1 + exp(-found))
                    if !(abs(found - exact) <= 2 * Double(size.depth + 1) * 0x1p-24 * sizes) { wrong += 1 }
                    if !(abs(Double(bent[i * (size.columns + 2) + j]) - silu) <= (narrow ? 1e-4 : 1e-6) * abs(silu)
                        + 1e-30)
                    {
                        bentWrong += 1
                    }
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
            rows: 100, columns: size.columns, depth: size.depth, a: &layer.x, aStride: size.depth + 3, b: &layer.w,
            bStride: size.columns, c: &c,
            cStride: size.columns)
        Float.bias(&c, &layer.b, 100, size.columns)
        for i in 0..<100 {
            for j in 0..<size.columns {
                #expect(y[i * (size.columns + 2) + j].bitPattern == c[i * size.columns + j].bitPattern)
            }
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
                    #expect(
                        part[...] == whole[first * stride..<(first + count) * stride], "\(count) rows from \(first)")
                }
            }
        }
    }

    /// Norm before, SiLU, gate and residual after, from groups' rows 3·(depth + columns) apart; the residual is y
    /// itself.
    @Test(arguments: kinds, [(64, 64), (64, 33), (20, 192), (33, 11), (1, 5), (300, 40)])
    func surroundings(_ kind: UInt32, _ size: (depth: Int, columns: Int)) {
        let layer = Layer(kind, size.depth, size.columns), narrow = kind == PK_DENSE_BF16.rawValue,
            stride = 3 * (size.depth + size.columns)
        let d = size.depth, n = size.columns
        var noise = Noise(state: 11)
        let modulation: [Float] = noise.array(4 * stride), residual: [Float] = noise.array(100 * (n + 2))
        let group: [Int32] = (0..<100).map { Int32($0 * 7 % 4) }
        /// Rows of y with stride n + 2, norm or gate as asked.
        func run(_ rows: Range<Int>, norm: Bool, silu: Bool, gate: Bool, grouped: Bool) -> [Float] {
            var y = Array(residual[rows.lowerBound * (n + 2)..<rows.upperBound * (n + 2)])
            modulation.withUnsafeBufferPointer { m in
                group.withUnsafeBufferPointer { g in
                    y.withUnsafeMutableBufferPointer { y in
                        let around = pk_dense_around(
                            scale: norm ? m.baseAddress : nil, shift: norm ? m.baseAddress! + d : nil,
                            silu: silu ? 1 : 0,
                            residual: UnsafePointer(y.baseAddress), residual_stride: n + 2,
                            gate: gate ? m.baseAddress! + 2 * d : nil,
                            group: grouped ? g.baseAddress! + rows.lowerBound : nil, stride: stride)
                        layer.run(rows, around, into: y.baseAddress!)
                    }
                }
            }
            return y
        }
        let cases = [
            (true, false, false, true), (true, true, false, false), (false, false, true, true),
            (false, true, true, false), (true, false, true, true),
            (false, false, false, false), (true, true, false, true),
        ]
        for (norm, silu, gate, grouped) in cases {
            let whole = run(0..<100, norm: norm, silu: silu, gate: gate, grouped: grouped)
            for i in 0..<100 {
                let at = grouped ? Int(group[i]) * stride : 0
                var x = (0..<d).map { Double(layer.x[i * (d + 3) + $0]) }
                if norm {
                    let mean = x.reduce(0, +) / Double(d),
                        variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(d)
                    for k in 0..<d {
                        x[k] =
                            (x[k] - mean) / (variance + 1e-5).squareRoot() * (1 + Double(modulation[at + k]))
                            + Double(modulation[at + d + k])
                    }
                }
                for j in 0..<n {
                    var h = Double(layer.b[j]), sizes = abs(h)
                    for k in 0..<d {
                        let w = layer.w[k * n + j],
                            product =
                                narrow
                                ? Double(Self.bfloat16(Float(x[k]))) * Double(Self.bfloat16(w)) : x[k] * Double(w)
                        h += product
                        sizes += abs(product)
                    }
                    if silu { h /= 1 + exp(-h) }
                    let g = gate ? 1 + Double(modulation[at + 2 * d + j]) : 1,
                        exact = Double(residual[i * (n + 2) + j]) + g * h
                    // A normalised value next to the middle between two bfloat16 may round either way.
                    let error = abs(Double(whole[i * (n + 2) + j]) - exact),
                        tolerance = (narrow ? (norm ? 2e-3 : 2e-4) : 2e-5) * (sizes * abs(g) + 1)
                    #expect(error < tolerance, "row \(i), column \(j): norm \(norm), gate \(gate)")
                }
                #expect(whole[i * (n + 2) + n] == residual[i * (n + 2) + n])
            }
            for count in [1, 5, 9] {
                for first in [0, 41, 100 - count] {
                    let part = run(first..<first + count, norm: norm, silu: silu, gate: gate, grouped: grouped).map(
                        \.bitPattern)
                    #expect(
                        part[...] == whole.map(\.bitPattern)[first * (n + 2)..<(first + count) * (n + 2)],
                        "\(count) rows from \(first)")
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
