import CKernels
import Foundation
import Testing

@testable import Tensors

/// Small pseudo-random numbers in [−1, 1].
struct Noise {
    var state: UInt64
    mutating func next() -> Double {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Double(state >> 11) * 0x1p-52 - 1
    }
    mutating func array<S: Scalar>(_ n: Int, as: S.Type = S.self) -> [S] { (0..<n).map { _ in S(next()) } }
}

/// Runs a layer on a tape in double precision with inputs whose gradients are checked one by one against central
/// differences of Σ c·y.
func checkGradient(
    _ shapes: [(rows: Int, columns: Int)], _ layer: (Tape<Double>, [Variable<Double>]) -> Variable<Double>,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    var noise = Noise(state: 7)
    var inputs: [[Double]] = shapes.map { noise.array($0.rows * $0.columns) }
    var cotangent: [Double] = []
    func run(_ backward: Bool) -> (value: Double, gradients: [[Double]]) {
        let tape = Tape<Double>(arena: Arena(blockSize: 1 << 16), records: true)
        let variables = zip(shapes, inputs).map { shape, values in
            let v = tape.matrix(shape.rows, shape.columns)
            for (i, x) in values.enumerated() { v.value[i] = x }
            return v
        }
        let y = layer(tape, variables)
        if cotangent.isEmpty { cotangent = noise.array(y.count) }
        var sum = 0.0
        for i in 0..<y.count {
            sum += cotangent[i] * y.value[i]
            y.gradient![i] += cotangent[i]
        }
        if backward { tape.backward() }
        return (sum, variables.map { v in (0..<v.count).map { v.gradient![$0] } })
    }
    let gradients = run(true).gradients
    for k in inputs.indices {
        for i in inputs[k].indices {
            let kept = inputs[k][i], step = 1e-5
            inputs[k][i] = kept + step
            let above = run(false).value
            inputs[k][i] = kept - step
            let below = run(false).value
            inputs[k][i] = kept
            let difference = (above - below) / (2 * step)
            #expect(
                abs(difference - gradients[k][i]) <= 1e-8 + 1e-7 * abs(difference), "input \(k)[\(i)]",
                sourceLocation: sourceLocation)
        }
    }
}

@Suite struct LayerGradientTests {
    @Test func linear() { checkGradient([(5, 3), (3, 4), (1, 4)]) { $0.linear($1[0], $1[1], $1[2]) } }
    @Test func silu() { checkGradient([(4, 5)]) { $0.silu($1[0]) } }
    @Test func addition() { checkGradient([(4, 5), (4, 5)]) { $0.add($1[0], $0.silu($1[1])) } }
    @Test func norm() {
        checkGradient([(4, 6), (1, 6), (1, 6)]) { $0.norm($1[0], scale: $1[1].slice(0, 6), shift: $1[2].slice(0, 6)) }
    }

    @Test func modulatedNorm() {
        let group: [Int32] = [1, 0, 1, 1]
        group.withUnsafeBufferPointer { group in
            checkGradient([(4, 6), (2, 18)]) {
                $0.norm($1[0], scale: $1[1].slice(0, 6), shift: $1[1].slice(12, 6), group: group.baseAddress!)
            }
        }
    }

    @Test func gate() {
        let group: [Int32] = [1, 0, 0]
        group.withUnsafeBufferPointer { group in
            checkGradient([(3, 5), (3, 5), (2, 10)]) {
                $0.gatedAdd($1[0], $1[1], gate: $1[2].slice(5, 5), group: group.baseAddress!)
            }
        }
    }

    @Test func gather() {
        let index: [Int32] = [2, 0, 2, 1]
        index.withUnsafeBufferPointer { index in checkGradient([(3, 4)]) { $0.gather($1[0], index) } }
    }

    /// Ragged segments: two problems of different sizes, keys shared between them.
    @Test func crossAttention() {
        let segments = [AttentionSegment(queries: 0..<3, keys: 0..<5), AttentionSegment(queries: 3..<4, keys: 2..<6)]
        segments.withUnsafeBufferPointer { s in
            checkGradient([(4, 6), (6, 12)]) { $0.attention($1[0], keyValue: $1[1], segments: s, heads: 2) }
        }
    }

    @Test func maskedSelfAttention() {
        let segments = [AttentionSegment(queries: 0..<3, keys: 0..<3), AttentionSegment(queries: 3..<6, keys: 3..<6)]
        let mask: [UInt8] = [1, 0, 0, 1, 1, 0, 1, 0, 1]
        segments.withUnsafeBufferPointer { s in
            mask.withUnsafeBufferPointer { mask in
                checkGradient([(6, 12)]) { $0.selfAttention($1[0], segments: s, heads: 2, mask: mask.baseAddress!) }
            }
        }
    }
}

/// The compiled kernels against plain loops, at sizes that leave remainders in every blocking.
@Suite struct KernelReferenceTests {
    @Test(arguments: [(1, 1, 4), (3, 5, 4), (16, 100, 16), (7, 33, 12)])
    func attention(_ size: (nq: Int, nk: Int, width: Int)) {
        let (nq, nk, width) = size, heads = 2, columns = heads * width
        var noise = Noise(state: UInt64(nq * 100 + nk))
        var q: [Float] = noise.array(nq * columns), k: [Float] = noise.array(nk * columns),
            v: [Float] = noise.array(nk * columns)
        for i in q.indices { q[i] *= 3 }
        var out = [Float](repeating: 0, count: nq * columns)
        let mask: [UInt8] = (0..<nq * nk).map { $0 % nk == 0 || $0 % 3 != 0 ? 1 : 0 }
        let segment = [AttentionSegment(queries: 0..<nq, keys: 0..<nk)]
        Float.attentionForward(&q, &k, &v, columns, columns, segment, 1, heads, width, mask, &out, columns, nil)
        for i in 0..<nq {
            for h in 0..<heads {
                var weights = [Double](repeating: 0, count: nk)
                for j in 0..<nk where mask[i * nk + j] != 0 {
                    var dot = 0.0
                    for d in 0..<width {
                        dot += Double(q[i * columns + h * width + d]) * Double(k[j * columns + h * width + d])
                    }
                    weights[j] = exp(dot / Double(width).squareRoot())
                }
                let total = weights.reduce(0, +)
                for d in 0..<width {
                    var expected = 0.0
                    for j in 0..<nk { expected += weights[j] / total * Double(v[j * columns + h * width + d]) }
                    #expect(abs(Double(out[i * columns + h * width + d]) - expected) < 2e-6)
                }
            }
        }
    }

    @Test func exponential() {
        var worst = 0.0
        for i in 0..<4001 {
            var x = [Float(-20 + Double(i) / 100)], y: [Float] = [0]
            Float.siluForward(&x, &y, 1)
            let expected = Double(x[0]) / (1 + Foundation.exp(-Double(x[0])))
            worst = max(worst, abs(Double(y[0]) - expected) / (abs(expected) + 1e-30))
        }
        #expect(worst < 1e-6)
    }

    @Test func layerNorm() {
        let rows = 5, columns = 37
        var noise = Noise(state: 3)
        var x: [Float] = noise.array(rows * columns), scale: [Float] = noise.array(columns),
            shift: [Float] = noise.array(columns)
        var y = x, stats = [Float](repeating: 0, count: 2 * rows)
        Float.normForward(&x, &scale, &shift, nil, columns, &y, &stats, rows, columns)
        for r in 0..<rows {
            let row = x[r * columns..<(r + 1) * columns].map(Double.init), mean = row.reduce(0, +) / Double(columns)
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
            for j in 0..<columns {
                let expected =
                    (row[j] - mean) / (variance + 1e-5).squareRoot() * (1 + Double(scale[j])) + Double(shift[j])
                #expect(abs(Double(y[r * columns + j]) - expected) < 1e-5)
            }
        }
    }

    @Test func adamW() {
        let n = 21
        var noise = Noise(state: 9)
        var w: [Float] = noise.array(n), m: [Float] = noise.array(n), v: [Float] = noise.array(n).map { abs($0) }
        let g: [Float] = noise.array(n), before = (w, m, v)
        pk_adamw_f32(&w, g, &m, &v, n, 0.5, 0.01, 0.9, 0.98, 1e-8, 0.19, 0.04, 0.1)
        for i in 0..<n {
            let d = 0.5 * Double(g[i]), m1 = 0.9 * Double(before.1[i]) + 0.1 * d,
                v1 = 0.98 * Double(before.2[i]) + 0.02 * d * d
            let expected =
                Double(before.0[i]) - 0.01 * (m1 / 0.19 / ((v1 / 0.04).squareRoot() + 1e-8) + 0.1 * Double(before.0[i]))
            #expect(abs(Double(w[i]) - expected) < 1e-5)
        }
    }
}
