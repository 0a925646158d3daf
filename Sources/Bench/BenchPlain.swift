import Foundation

/// The first problem of several, by plain loops in double precision: O = softmax(Q Kᵀ/√d) V and its gradients.
struct PlainAttention {
    var out: [Double], dq: [Double], dk: [Double], dv: [Double]

    init(q: [Float], k: [Float], v: [Float], dout: [Float], nq: Int, nk: Int, heads: Int, width: Int) {
        let c = heads * width, scale = 1 / Double(width).squareRoot()
        out = Array(repeating: 0, count: nq * c)
        dq = out
        dk = Array(repeating: 0, count: nk * c)
        dv = dk
        for h in 0..<heads {
            for i in 0..<nq {
                func dot(_ a: [Float], _ j: Int, _ b: [Float]) -> Double {
                    (0..<width).reduce(0) { $0 + Double(a[i * c + h * width + $1]) * Double(b[j * c + h * width + $1]) }
                }
                var p = (0..<nk).map { exp(dot(q, $0, k) * scale) }
                let total = p.reduce(0, +)
                p = p.map { $0 / total }
                let dp = (0..<nk).map { dot(dout, $0, v) }, mean = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
                for j in 0..<nk {
                    let ds = p[j] * (dp[j] - mean) * scale
                    for d in h * width..<(h + 1) * width {
                        out[i * c + d] += p[j] * Double(v[j * c + d])
                        dv[j * c + d] += p[j] * Double(dout[i * c + d])
                        dq[i * c + d] += ds * Double(k[j * c + d])
                        dk[j * c + d] += ds * Double(q[i * c + d])
                    }
                }
            }
        }
    }
}

/// y = f(n(x) W + b), f SiLU, and its gradients, by plain loops in double precision.
struct PlainLayer {
    var y: [Double], dx: [Double], dw: [Double], db: [Double], dscale: [Double], dshift: [Double]

    init(
        x: [Float], w: [Float], b: [Float], scale: [Float], shift: [Float], dy: [Float], rows: Int, depth: Int,
        columns: Int
    ) {
        let w = w.map(Double.init)
        y = Array(repeating: 0, count: rows * columns)
        dx = Array(repeating: 0, count: rows * depth)
        dw = Array(repeating: 0, count: depth * columns)
        db = Array(repeating: 0, count: columns)
        dscale = Array(repeating: 0, count: depth)
        dshift = dscale
        for i in 0..<rows {
            let row = (0..<depth).map { Double(x[i * depth + $0]) }, mean = row.reduce(0, +) / Double(depth)
            let root = 1 / (row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(depth) + 1e-5).squareRoot()
            let normal = row.map { ($0 - mean) * root }
            var z = b.map(Double.init), dn = [Double](repeating: 0, count: depth)
            let n = (0..<depth).map { normal[$0] * (1 + Double(scale[$0])) + Double(shift[$0]) }
            for k in 0..<depth { for j in 0..<columns { z[j] += n[k] * w[k * columns + j] } }
            for j in 0..<columns {
                let s = 1 / (1 + exp(-z[j]))
                y[i * columns + j] = z[j] * s
                z[j] = Double(dy[i * columns + j]) * s * (1 + z[j] * (1 - s))  // from here on the gradient of z
                db[j] += z[j]
            }
            for k in 0..<depth {
                for j in 0..<columns {
                    dw[k * columns + j] += n[k] * z[j]
                    dn[k] += z[j] * w[k * columns + j]
                }
                dscale[k] += dn[k] * normal[k]
                dshift[k] += dn[k]
                dn[k] *= 1 + Double(scale[k])
            }
            let a = dn.reduce(0, +) / Double(depth),
                along = zip(dn, normal).reduce(0) { $0 + $1.0 * $1.1 } / Double(depth)
            for k in 0..<depth { dx[i * depth + k] = root * (dn[k] - a - normal[k] * along) }
        }
    }

    /// √(Σ (a − b)² / Σ b²), the distance of narrow sums: single numbers among them may all but cancel.
    static func distance(_ a: UnsafePointer<Float>, _ b: [Double]) -> Double {
        var apart = 0.0, size = 0.0
        for i in b.indices {
            apart += (Double(a[i]) - b[i]) * (Double(a[i]) - b[i])
            size += b[i] * b[i]
        }
        return apart.isFinite ? (apart / size).squareRoot() : .infinity
    }
}

extension Float {
    /// The nearest number of 8 significant bits, halves to even.
    var nearestBFloat16: Float {
        let low = bitPattern & 0xFFFF, kept = bitPattern >> 16, up = low > 0x8000 || (low == 0x8000 && kept & 1 == 1)
        return Float(bitPattern: (kept + (up ? 1 : 0)) << 16)
    }
}

/// Zeroed floats on a 64-byte boundary.
final class AlignedFloats {
    let base: UnsafeMutablePointer<Float>

    init(_ count: Int) {
        let raw = UnsafeMutableRawPointer.allocate(byteCount: max(64, 4 * count), alignment: 64)
        base = raw.initializeMemory(as: Float.self, repeating: 0, count: count)
    }

    deinit { UnsafeMutableRawPointer(base).deallocate() }
}
