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
