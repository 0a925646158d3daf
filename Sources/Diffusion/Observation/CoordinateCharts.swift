import Foundation

/// What a network sees of parameters: unconstrained numbers of about zero mean and unit variance under the prior.
enum CoordinateCharts {
    static let probabilityMargin = 1e-6, logitBound = 11.5, s0Bound = 10.0
    private static let diagonalScale = 3.354101966249684, offScale = 3.872983346207417

    /// Φ⁻¹ of the distribution function of a number uniform in `range`.
    static func probit(_ x: Double, _ range: (low: Double, high: Double)) -> Float {
        let u = (x - range.low) / (range.high - range.low)
        return Float(normalQuantile(max(probabilityMargin, min(1 - probabilityMargin, u))))
    }

    static func unprobit(_ x: Float, _ range: (low: Double, high: Double)) -> Double {
        let u = normalCDF(x.isNaN ? 0 : Double(x))
        return range.low + (range.high - range.low) * max(probabilityMargin, min(1 - probabilityMargin, u))
    }

    /// An axis in the canonical frame as its dyad μμᵀ − I/3, xx yy zz xy xz yz, scaled to unit variance on the sphere.
    static func encodeAxis(_ u: SIMD3<Double>, into row: UnsafeMutablePointer<Float>) {
        row[0] = Float(diagonalScale * (u.x * u.x - 1.0 / 3))
        row[1] = Float(diagonalScale * (u.y * u.y - 1.0 / 3))
        row[2] = Float(diagonalScale * (u.z * u.z - 1.0 / 3))
        row[3] = Float(offScale * u.x * u.y)
        row[4] = Float(offScale * u.x * u.z)
        row[5] = Float(offScale * u.y * u.z)
    }

    static func dyad(_ row: UnsafePointer<Float>) -> SymmetricMatrix3 {
        let diagonal = 1 / diagonalScale, off = 1 / offScale
        return SymmetricMatrix3(
            xx: diagonal * Double(row[0]), yy: diagonal * Double(row[1]), zz: diagonal * Double(row[2]),
            xy: off * Double(row[3]), xz: off * Double(row[4]), yz: off * Double(row[5]))
    }

    /// The nearest axis: the dyad's principal one.
    static func decodeAxis(_ row: UnsafePointer<Float>) -> SIMD3<Double> { dyad(row).principalAxis() }

    /// The standardised logit of a share.
    static func logit(_ v: Double, _ moments: (mean: Double, sd: Double)) -> Float {
        let logit = v <= 0 ? -logitBound : v >= 1 ? logitBound : log(v / (1 - v))
        return Float((max(-logitBound, min(logitBound, logit)) - moments.mean) / moments.sd)
    }

    /// The part of `whole` whose share has this standardised logit.
    static func part(of whole: Double, _ x: Float, _ moments: (mean: Double, sd: Double)) -> Double {
        let x = x.isNaN ? 0 : Double(x), logit = max(-logitBound, min(logitBound, x * moments.sd + moments.mean))
        return whole / (1 + exp(-logit))
    }
}
