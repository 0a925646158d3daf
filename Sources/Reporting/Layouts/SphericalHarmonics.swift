import Foundation

/// Real spherical harmonics of even degree up to L, in MRtrix3's order and with its signs.
///
/// Coefficient l(l+1)/2 + m, l = 0, 2, … L, m = −l … l, belongs to Y_lm(v) = √2 P_l|m|(z) sin(|m|φ) for m < 0, P_l0(z)
/// for m = 0, √2 P_lm(z) cos(mφ) for m > 0, with P_lm orthonormal on the sphere and of the sign (−1)^m (Condon and
/// Shortley). DIPY's default (descoteaux07, legacy) is the same with −m in the place of m. Accurate to 1e-12.
struct SphericalHarmonics {
    let degree: Int
    /// (L + 1)(L + 2)/2.
    let count: Int
    /// Of each (l, m ≥ 0): factors of the recurrence over l, m-major; and P_mm / sin^m θ.
    private var ahead: [Double] = [], back: [Double] = [], diagonal: [Double] = []

    init(degree: Int) {
        precondition(degree >= 0 && degree % 2 == 0)
        self.degree = degree
        count = (degree + 1) * (degree + 2) / 2
        var product = 1 / (4 * Double.pi)
        for m in 0...degree {
            if m > 0 { product *= Double(2 * m + 1) / Double(2 * m) }
            diagonal.append((m % 2 == 0 ? 1 : -1) * product.squareRoot())
            for l in 0...degree {
                let (l2, m2) = (Double(l * l), Double(m * m)), before = Double((l - 1) * (l - 1))
                ahead.append(l > m ? ((4 * l2 - 1) / (l2 - m2)).squareRoot() : 0)
                back.append(l > m + 1 ? ((before - m2) / (4 * before - 1)).squareRoot() : 0)
            }
        }
    }

    /// Adds weight·Y_lm(v) to the coefficients of a unit vector v.
    @inline(__always)
    func add(_ v: SIMD3<Double>, weight: Double, to sum: UnsafeMutablePointer<Double>) {
        // (x + iy)^m = sin^m θ e^{imφ}.
        var (c, s) = (1.0, 0.0)
        for m in 0...degree {
            var last = 0.0, value = diagonal[m]
            for l in m...degree {
                if l > m {
                    let k = m * (degree + 1) + l
                    (last, value) = (value, ahead[k] * (v.z * value - back[k] * last))
                }
                guard l % 2 == 0 else { continue }
                let middle = l * (l + 1) / 2
                if m == 0 {
                    sum[middle] += weight * value
                } else {
                    sum[middle + m] += weight * 2.0.squareRoot() * value * c
                    sum[middle - m] += weight * 2.0.squareRoot() * value * s
                }
            }
            (c, s) = (c * v.x - s * v.y, c * v.y + s * v.x)
        }
    }
}

/// The sharpest lobe of degree L that is nowhere below 0: K(v·u) with K(1) = 1, by which a direction u becomes
/// coefficients λ_l Y_lm(u).
///
/// K = q², q of degree L/2 and even or odd, such that ∫K t² / ∫K is largest: q(t) = P_n(t) / (t² − x²), n = L/2 + 2 and
/// x the largest zero of P_n (a Gauss node: the largest eigenvalue of t² on such polynomials). λ_l = 2π ∫ K(t) P_l(t)
/// dt (Funk and Hecke). A direction cut off at degree L instead has lobes below 0 and rings around it, in which
/// trackers find fibres. Of degree 8 it falls to half at 19.5°, and two alike are told apart from 37° on.
struct FibreLobe {
    /// λ_l of l = 0, 2, …, L.
    let eigenvalues: [Double]

    init(degree: Int) {
        let n = degree / 2 + 2, legendre = Self.legendre(max(n, degree))
        func value(_ p: [Double], _ t: Double) -> Double { p.reversed().reduce(0) { $0 * t + $1 } }
        let p = legendre[n], slope = p.indices.dropFirst().map { Double($0) * p[$0] }
        var x = cos(0.75 * Double.pi / (Double(n) + 0.5))
        for _ in 0..<20 { x -= value(p, x) / value(slope, x) }
        // Division by t² − x², from the highest power down.
        var rest = p, q = [Double](repeating: 0, count: n - 1)
        for k in stride(from: n, through: 2, by: -1) {
            q[k - 2] = rest[k]
            rest[k - 2] += x * x * rest[k]
        }
        let height = value(q, 1)
        eigenvalues = stride(from: 0, through: degree, by: 2).map { l in
            let product = Self.times(Self.times(q, q), legendre[l])
            // ∫ t^k over [−1, 1].
            let sum = product.enumerated().reduce(0) {
                $1.offset % 2 == 0 ? $0 + $1.element * 2 / Double($1.offset + 1) : $0
            }
            return 2 * .pi * sum / (height * height)
        }
    }

    private static func times(_ a: [Double], _ b: [Double]) -> [Double] {
        var product = [Double](repeating: 0, count: a.count + b.count - 1)
        for (i, x) in a.enumerated() { for (j, y) in b.enumerated() { product[i + j] += x * y } }
        return product
    }

    /// Coefficients of P_0 … P_n by rising power.
    private static func legendre(_ n: Int) -> [[Double]] {
        var all: [[Double]] = [[1], [0, 1]]
        for l in 1..<max(n, 2) {
            var next = [0] + all[l].map { $0 * Double(2 * l + 1) / Double(l + 1) }
            for (i, c) in all[l - 1].enumerated() { next[i] -= c * Double(l) / Double(l + 1) }
            all.append(next)
        }
        return all
    }
}
