import Foundation

/// How observations scatter about the curve: exactly one of these, each with one free level σ.
///
///     y_i = S(x_i) + σ g(x_i) ε_i
///
/// All but `heavy` are normal. With `smooth` and `wandering` the errors of neighbours are correlated, by
/// ρ = exp(−max(Δx, 0.01)/ℓ): an Ornstein–Uhlenbeck process, in which observations at one place count as 0.01 apart.
public enum NoiseModel: String, CaseIterable, Sendable, Codable {
    case white, growing, falling, smooth, heavy, middle, ends, wandering

    /// The first five are those of K = 15.
    public static func models(terms: Int) -> [NoiseModel] { Array(allCases.prefix(terms <= 15 ? 5 : 8)) }

    /// σ in the family's units, where amplitudes have standard deviation 1.
    public static let level = BoundedParameter.logUniform("sigma", 0.02, 1)
    /// Degrees of freedom of `heavy`.
    static let degrees = 3.0

    /// g(x), the size of the errors along x.
    public func spread(_ x: Double) -> Double {
        switch self {
        case .growing: 0.25 + 0.15 * x
        case .falling: 1.75 - 0.15 * x
        case .middle: 0.4 + 1.4 * exp(-(x - 5) * (x - 5) / 4.5)
        case .ends: 1.5 - 1.2 * exp(-(x - 5) * (x - 5) / 8)
        case .white, .smooth, .heavy, .wandering: 1
        }
    }

    /// ℓ, over which errors are alike; 0 where they are independent.
    public var length: Double { self == .smooth ? 0.5 : self == .wandering ? 3 : 0 }

    public var words: String {
        switch self {
        case .white: "the same everywhere"
        case .growing: "growing with x"
        case .falling: "falling with x"
        case .smooth: "alike over short distances"
        case .heavy: "with outliers (Student's t, 3 degrees of freedom)"
        case .middle: "largest in the middle"
        case .ends: "largest at the ends"
        case .wandering: "alike over long distances"
        }
    }
}

/// What makes the errors of one noise model independent and equal, σ apart: v_i ← (v_i − ρ_i v_{i−1}) / d_i.
struct Whitening: Sendable {
    let correlation: [Double]?, inverse: [Double], logDeterminant: Double

    /// - Parameter x: rising.
    init(_ noise: NoiseModel, _ x: [Double]) {
        var d = x.map(noise.spread)
        if noise.length > 0 {
            let rho = x.indices.map { $0 == 0 ? 0 : exp(-max(x[$0] - x[$0 - 1], 0.01) / noise.length) }
            for i in d.indices { d[i] *= (1 - rho[i] * rho[i]).squareRoot() }
            correlation = rho
        } else {
            correlation = nil
        }
        inverse = d.map { 1 / $0 }
        logDeterminant = d.reduce(0) { $0 + log($1) }
    }

    /// In place.
    func apply(_ v: UnsafeMutablePointer<Double>) {
        if let rho = correlation {
            for i in inverse.indices.reversed() { v[i] = ((v[i]) - (i > 0 ? rho[i] * v[i - 1] : 0)) * inverse[i] }
        } else {
            for i in inverse.indices { v[i] *= inverse[i] }
        }
    }
}
