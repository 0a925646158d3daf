import Diffusion
import Foundation
import ModelSpace

/// One component of an importance sampler's proposal: a multivariate t in the local coordinates about a centre θ.
///
///     q(u) ∝ (1 + (u − m)ᵀΛ(u − m)/ν)^(−(ν + D)/2),   Λ = L Lᵀ
///
/// as a density over (log d, log s/d, log s0, log snr, fractions, areas on the half-sphere of axes).
struct ProposalComponent {
    static let freedom = 6
    /// log of Γ((ν+D)/2) / (Γ(ν/2) (νπ)^(D/2)) for D = 0 … capacity.
    static let logConstant: [Double] = (0...LocalGeometry.capacity).map { d in
        let v = Double(freedom)
        return lgamma((v + Double(d)) / 2) - lgamma(v / 2) - Double(d) / 2 * log(v * .pi)
    }

    let geometry: LocalGeometry
    var centre: [Double]
    var tangents: [Double]
    /// L, row-major lower triangle of D × D, and Σ log L_jj.
    var factor: [Double]
    var logDeterminant: Double
    /// Log of the posterior mass that a normal with this Λ and the centre's density would hold.
    var laplace: Double
    /// Number of samples it is to give, or has given.
    var count = 0

    /// - Returns: nil when `precision` is not positive definite.
    init?(_ geometry: LocalGeometry, centre: [Double], tangents: [Double], precision: [Double], logDensity: Double) {
        let d = geometry.dimension
        var l = precision
        guard Self.factorise(&l, d) else { return nil }
        self.geometry = geometry
        self.centre = centre
        self.tangents = tangents
        factor = l
        logDeterminant = (0..<d).reduce(0) { $0 + log(l[$1 * d + $1]) }
        laplace = logDensity + Double(d) / 2 * log(2 * .pi) - logDeterminant
    }

    /// Cholesky factor in the lower triangle, in place.
    static func factorise(_ a: inout [Double], _ d: Int) -> Bool {
        a.withUnsafeMutableBufferPointer { a in
            for j in 0..<d {
                var diagonal = a[j * d + j]
                for k in 0..<j { diagonal -= a[j * d + k] * a[j * d + k] }
                guard diagonal > 0, diagonal.isFinite else { return false }
                let root = diagonal.squareRoot()
                a[j * d + j] = root
                for i in j + 1..<max(d, j + 1) {
                    var x = a[i * d + j]
                    for k in 0..<j { x -= a[i * d + k] * a[j * d + k] }
                    a[i * d + j] = x / root
                }
            }
            return true
        }
    }

    /// Solves L Lᵀ x = b in place.
    static func solve(_ l: [Double], _ d: Int, _ b: inout [Double]) {
        for i in 0..<d {
            for k in 0..<i { b[i] -= l[i * d + k] * b[k] }
            b[i] /= l[i * d + i]
        }
        backSubstitute(l, d, &b)
    }

    /// Solves Lᵀ x = b in place.
    static func backSubstitute(_ l: [Double], _ d: Int, _ b: inout [Double]) {
        for i in (0..<d).reversed() {
            for k in i + 1..<max(d, i + 1) { b[i] -= l[k * d + i] * b[k] }
            b[i] /= l[i * d + i]
        }
    }

    /// Draws θ; it may lie outside the prior's support.
    func draw(_ random: inout RandomSource, into theta: UnsafeMutablePointer<Double>) {
        let d = geometry.dimension
        var u = (0..<d).map { _ in random.normal() }
        Self.backSubstitute(factor, d, &u)
        // χ² with an even number of degrees of freedom is a sum of exponentials.
        var chi = 0.0
        for _ in 0..<Self.freedom / 2 { chi += 2 * random.exponential() }
        let scale = (Double(Self.freedom) / chi).squareRoot()
        for i in 0..<d { u[i] *= scale }
        geometry.move(centre, tangents, by: u, into: theta)
    }

    /// uᵀΛu of θ, and the log-density.
    @inline(__always)
    func logDensity(_ theta: UnsafePointer<Double>) -> (distance: Double, value: Double) {
        let d = geometry.dimension, v = Double(Self.freedom)
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: LocalGeometry.capacity) { u in
            centre.withUnsafeBufferPointer { centre in
                tangents.withUnsafeBufferPointer { tangents in
                    factor.withUnsafeBufferPointer { l in
                        // Without sticks there are no tangents, and no address of theirs is read.
                        let area = geometry.coordinates(
                            of: theta, about: centre.baseAddress!, tangents.baseAddress ?? centre.baseAddress!, into: u.baseAddress!)
                        var distance = 0.0
                        for j in 0..<d {
                            var x = 0.0
                            for i in j..<d { x += l[i * d + j] * u[i] }
                            distance += x * x
                        }
                        let value = Self.logConstant[d] + logDeterminant - 0.5 * (v + Double(d)) * log(1 + distance / v) - area
                        return (distance, value)
                    }
                }
            }
        }
    }
}
