import CKernels
import Foundation
import Inference
import ModelSpace
import Tensors

/// The network's kernels at the network's sizes.
extension Bench {
    public mutating func networkKernels(measurements m: Int) throws {
        try gemm()
        for (rows, depth, columns) in [(512, 64, 256), (512, 256, 64), (3200, 64, 128), (2048, 64, 192)] {
            try dense(rows: rows, depth: depth, columns: columns)
            try trainingLayer(rows: rows, depth: depth, columns: columns)
        }
        try elementwise(rows: 2048, columns: 64)
        for (name, nq, nk, count) in [
            ("reading", 16, m, 32), ("latents", 16, 16, 32), ("tokens", 4, 4, 256), ("draws", 256, 16, 8),
        ] {
            try attention(name, nq: nq, nk: nk, count: count)
        }
        try halves()
    }

    static func noise(_ n: Int, _ stream: UInt64) -> [Float] {
        var random = RandomSource(seed: 1, stream: stream)
        return (0..<n).map { _ in Float(random.normal()) }
    }

    private mutating func gemm() throws {
        for (rows, depth, columns) in [
            (512, 64, 64), (512, 64, 128), (512, 64, 256), (512, 256, 64), (512, 128, 128), (3200, 64, 128),
            (2048, 64, 192),
        ] {
            var a = Self.noise(rows * depth, 1), b = Self.noise(depth * columns, 2),
                c = [Float](repeating: 0, count: rows * columns)
            func run() {
                Float.gemm(
                    transposeA: false, transposeB: false, rows: rows, columns: columns, depth: depth, alpha: 1, a: &a,
                    aStride: depth, b: &b,
                    bStride: columns, beta: 0, c: &c, cStride: columns)
            }
            run()
            var plain: [Double] = [], fast: [Float] = []
            for i in stride(from: 0, to: rows, by: 37) {
                for j in 0..<columns {
                    plain.append((0..<depth).reduce(0) { $0 + Double(a[i * depth + $1]) * Double(b[$1 * columns + j]) })
                    fast.append(c[i * columns + j])
                }
            }
            try add(
                "matrix product", "\(rows)×\(depth)·\(depth)×\(columns)",
                operations: 2 * Double(rows * depth * columns),
                bytes: 4 * Double(rows * depth + depth * columns + rows * columns),
                deviation: Self.deviation(fast, plain), tolerance: 1e-5, run)
        }
    }

    /// A laid-out layer in every number format, against a sum in double precision of what the format makes of its
    /// operands.
    private mutating func dense(rows: Int, depth: Int, columns: Int) throws {
        let x = Self.noise(rows * depth, 13),
            w = Self.noise(depth * columns, 14).map { $0 / Float(depth).squareRoot() }, b = Self.noise(columns, 15)
        var y = [Float](repeating: 0, count: rows * columns)
        let kinds = [(pk_dense_best(), "float32")] + (pk_dense_has_bf16() != 0 ? [(PK_DENSE_BF16, "bfloat16")] : [])
        for (kind, name) in kinds {
            let packed = AlignedFloats(pk_dense_size(kind, depth, columns))
            pk_dense_pack(kind, depth, columns, w, b, packed.base)
            func operand(_ v: Float) -> Double { Double(kind == PK_DENSE_BF16 ? v.nearestBFloat16 : v) }
            for silu in [false, true] {
                var around = pk_dense_around()
                around.silu = silu ? 1 : 0
                func run() { pk_dense(kind, rows, columns, depth, x, depth, packed.base, &around, &y, columns) }
                run()
                var plain: [Double] = [], fast: [Float] = []
                for i in stride(from: 0, to: rows, by: 37) {
                    for j in 0..<columns {
                        let sum = (0..<depth).reduce(Double(b[j])) {
                            $0 + operand(x[i * depth + $1]) * operand(w[$1 * columns + j])
                        }
                        plain.append(silu ? sum / (1 + exp(-sum)) : sum)
                        fast.append(y[i * columns + j])
                    }
                }
                try add(
                    silu ? "dense layer, silu" : "dense layer", "\(name), \(rows)×\(depth)·\(depth)×\(columns)",
                    operations: 2 * Double(rows * depth * columns), bytes: 4 * Double(rows * depth + rows * columns),
                    deviation: Self.deviation(fast, plain), tolerance: silu && kind == PK_DENSE_BF16 ? 1e-4 : 1e-5, run)
            }
        }
    }

    private mutating func elementwise(rows: Int, columns: Int) throws {
        let n = rows * columns, size = Double(n), shape = "\(rows)×\(columns)"
        var x = Self.noise(n, 3), h = Self.noise(n, 4), dy = Self.noise(n, 5), y = [Float](repeating: 0, count: n)
        var scale = Self.noise(columns, 6), shift = Self.noise(columns, 7),
            stats = [Float](repeating: 0, count: 2 * rows)
        var dx = y, dh = y, dscale = [Float](repeating: 0, count: columns), dshift = dscale
        func clear() {
            dx = Array(repeating: 0, count: n); dh = dx; dscale = Array(repeating: 0, count: columns); dshift = dscale
        }

        Float.siluForward(&x, &y, n)
        let sigmoid = x.map { 1 / (1 + exp(-Double($0))) }
        try add(
            "silu", shape, operations: 3 * size, exponentials: size, bytes: 8 * size,
            deviation: Self.deviation(y, zip(x, sigmoid).map { Double($0) * $1 }), tolerance: 2e-6
        ) { Float.siluForward(&x, &y, n) }
        Float.siluBackward(&x, &dy, &dx, n)
        let slope = (0..<n).map { Double(dy[$0]) * sigmoid[$0] * (1 + Double(x[$0]) * (1 - sigmoid[$0])) }
        try add(
            "silu backward", shape, operations: 6 * size, exponentials: size, bytes: 16 * size,
            deviation: Self.deviation(dx, slope), tolerance: 2e-6
        ) { Float.siluBackward(&x, &dy, &dx, n) }

        // Normalised values n, and r = 1/√(var + ε), by plain loops.
        var normal = [Double](repeating: 0, count: n), inverse = [Double](repeating: 0, count: rows)
        for i in 0..<rows {
            let row = x[i * columns..<(i + 1) * columns].map(Double.init), mean = row.reduce(0, +) / Double(columns)
            inverse[i] = 1 / (row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns) + 1e-5).squareRoot()
            for j in 0..<columns { normal[i * columns + j] = (row[j] - mean) * inverse[i] }
        }
        Float.normForward(&x, &scale, &shift, nil, columns, &y, &stats, rows, columns)
        try add(
            "norm", shape, operations: 9 * size, bytes: 8 * size,
            deviation: Self.deviation(
                y, (0..<n).map { normal[$0] * (1 + Double(scale[$0 % columns])) + Double(shift[$0 % columns]) }),
            tolerance: 1e-5
        ) { Float.normForward(&x, &scale, &shift, nil, columns, &y, &stats, rows, columns) }
        clear()
        Float.normBackward(&x, &scale, nil, columns, &stats, &dy, &dx, &dscale, &dshift, rows, columns)
        var expected = [Double](repeating: 0, count: n)
        for i in 0..<rows {
            let e = (0..<columns).map { Double(dy[i * columns + $0]) * (1 + Double(scale[$0])) }
            let a = e.reduce(0, +) / Double(columns),
                b = (0..<columns).reduce(0) { $0 + e[$1] * normal[i * columns + $1] } / Double(columns)
            for j in 0..<columns { expected[i * columns + j] = inverse[i] * (e[j] - a - normal[i * columns + j] * b) }
        }
        try add(
            "norm backward", shape, operations: 18 * size, bytes: 16 * size, deviation: Self.deviation(dx, expected),
            tolerance: 1e-5
        ) {
            Float.normBackward(&x, &scale, nil, columns, &stats, &dy, &dx, &dscale, &dshift, rows, columns)
        }

        Float.gateForward(&x, &h, &scale, nil, columns, &y, rows, columns)
        try add(
            "gated add", shape, operations: 3 * size, bytes: 12 * size,
            deviation: Self.deviation(
                y, (0..<n).map { Double(x[$0]) + (1 + Double(scale[$0 % columns])) * Double(h[$0]) }), tolerance: 1e-5
        ) { Float.gateForward(&x, &h, &scale, nil, columns, &y, rows, columns) }
        clear()
        Float.gateBackward(&h, &scale, nil, columns, &dy, &dx, &dh, &dscale, rows, columns)
        try add(
            "gated add backward", shape, operations: 6 * size, bytes: 24 * size,
            deviation: Self.deviation(dh, (0..<n).map { (1 + Double(scale[$0 % columns])) * Double(dy[$0]) }),
            tolerance: 1e-5
        ) { Float.gateBackward(&h, &scale, nil, columns, &dy, &dx, &dh, &dscale, rows, columns) }
    }

    /// Four heads of 16 columns, `count` problems of nq queries and nk keys.
    private mutating func attention(_ name: String, nq: Int, nk: Int, count: Int) throws {
        let heads = 4, width = 16, c = heads * width
        let segments = (0..<count).map {
            AttentionSegment(queries: $0 * nq..<($0 + 1) * nq, keys: $0 * nk..<($0 + 1) * nk)
        }
        var q = Self.noise(count * nq * c, 8), k = Self.noise(count * nk * c, 9), v = Self.noise(count * nk * c, 10),
            dout = Self.noise(count * nq * c, 11)
        var out = q, dq = [Float](repeating: 0, count: q.count), dk = [Float](repeating: 0, count: k.count), dv = dk
        var saved = [Float](repeating: 0, count: Float.attentionSaved(segments, count, heads, width))
        Float.attentionForward(&q, &k, &v, c, c, segments, count, heads, width, nil, &out, c, &saved)
        Float.attentionBackward(
            &q, &k, &v, c, c, segments, count, heads, width, &saved, &dout, c, &dq, false, &dk, &dv, false)
        let plain = PlainAttention(q: q, k: k, v: v, dout: dout, nq: nq, nk: nk, heads: heads, width: width)
        let products = Double(count * heads * nq * nk),
            shape = "\(name): \(count) × \(heads) heads, \(nq)×\(nk)×\(width)"
        let bytes = 4 * Double(2 * q.count + 2 * k.count)
        try add(
            "attention", shape, operations: products * Double(4 * width + 4), exponentials: products, bytes: bytes,
            deviation: Self.deviation(out.prefix(nq * c), plain.out), tolerance: 1e-5
        ) { Float.attentionForward(&q, &k, &v, c, c, segments, count, heads, width, nil, &out, c, nil) }
        let worst = max(
            Self.deviation(dq.prefix(nq * c), plain.dq), Self.deviation(dk.prefix(nk * c), plain.dk),
            Self.deviation(dv.prefix(nk * c), plain.dv))
        try add(
            "attention backward", shape, operations: products * Double(8 * width + 4),
            bytes: 2 * bytes + 4 * Double(saved.count), deviation: worst,
            tolerance: 2e-5
        ) {
            Float.attentionBackward(
                &q, &k, &v, c, c, segments, count, heads, width, &saved, &dout, c, &dq, false, &dk, &dv, false)
        }
    }

    private mutating func halves() throws {
        let n = 65536, x = Self.noise(n, 12)
        var h = [Float16](repeating: 0, count: n), y = [Float](repeating: 0, count: n)
        HalfPrecision.encode(x, &h, count: n)
        HalfPrecision.decode(h, &y, count: n)
        try add(
            "half from float", "\(n)", bytes: 6 * Double(n),
            deviation: Self.deviation(h.map(Float.init), x.map { Double(Float16($0)) }), tolerance: 0
        ) {
            HalfPrecision.encode(x, &h, count: n)
        }
        try add(
            "float from half", "\(n)", bytes: 6 * Double(n), deviation: Self.deviation(y, h.map { Double($0) }),
            tolerance: 0
        ) {
            HalfPrecision.decode(h, &y, count: n)
        }
    }
}
