import Foundation

/// Averages over directions n with density ∝ exp(κ n_1² + β n_2²) by plain quadrature: the definition of dispersed
/// compartments, for tests; and their second moments.
///
/// Gauss–Legendre in n_1, the trapezoidal rule in the angle about it: 1e-12 for κ and b·d to 64.
struct OrientationAverage {
    private let weights: [Double]
    /// ⟨n_i²⟩.
    let squares: SIMD3<Double>

    init(kappa: Double, beta: Double) {
        let top = max(kappa, beta, 0)
        var weights: [Double] = [], squares = SIMD3<Double>.zero, total = 0.0
        weights.reserveCapacity(Self.nodes.count)
        for (n, size) in Self.nodes {
            let w = size * exp(kappa * n.x * n.x + beta * n.y * n.y - top)
            weights.append(w)
            squares += w * n * n
            total += w
        }
        self.weights = weights.map { $0 / total }
        self.squares = squares / total
    }

    /// A term's signal for a gradient with these components along the distribution's axes.
    func signal(_ term: DispersedTerm<Double>, averagesTensor: Bool, _ g: SIMD3<Double>) -> Double {
        if averagesTensor { return term.weight * exp(-(term.across + term.along * (squares * g * g).sum())) }
        var sum = 0.0
        for ((n, _), w) in zip(Self.nodes, weights) {
            let c = (n * g).sum()
            sum += w * exp(-(term.across + term.along * c * c))
        }
        return term.weight * sum
    }

    /// ⟨n_i²⟩ of κ ≥ β ≥ 0 alone, in a hundredth of the time: about n_3, in which the density is flattest.
    ///
    /// Accuracy: absolute error ≤ 1e-9 for κ ≤ 64.
    static func squares(kappa: Double, beta: Double) -> SIMD3<Double> {
        var sum = SIMD3<Double>.zero, total = 0.0
        for (t, weight) in poles {
            let across = 1 - t * t
            for cosine in cosines {
                let x = across * cosine, y = across - x, w = weight * exp(kappa * x + beta * y - kappa)
                sum += w * SIMD3(x, y, t * t)
                total += w
            }
        }
        return sum / total
    }

    private static let poles: [(Double, Double)] = {
        let (nodes, weights) = gaussLegendre(24)
        return Array(zip(nodes, weights))
    }()
    /// cos² of angles of a quarter turn.
    private static let cosines = (0..<20).map { (1 + cos(.pi * (Double($0) + 0.5) / 20)) / 2 }

    /// Directions of half the sphere and their areas.
    private static let nodes: [(SIMD3<Double>, Double)] = {
        let angles = 128, (nodes, weights) = gaussLegendre(96)
        return zip(nodes, weights).flatMap { t, weight in
            (0..<angles).map { k in
                let phi = (Double(k) + 0.5) * 2 * .pi / Double(angles), r = (1 - t * t).squareRoot()
                return (SIMD3(t, r * cos(phi), r * sin(phi)), weight)
            }
        }
    }()

    /// Nodes and weights on [0, 1], by Newton's steps on Legendre's polynomial.
    private static func gaussLegendre(_ n: Int) -> (nodes: [Double], weights: [Double]) {
        var nodes: [Double] = [], weights: [Double] = []
        for i in 0..<n {
            var x = cos(.pi * (Double(i) + 0.75) / (Double(n) + 0.5)), slope = 1.0
            for _ in 0..<8 {
                var before = 1.0, value = x
                for l in 2...n {
                    (before, value) = (value, (Double(2 * l - 1) * x * value - Double(l - 1) * before) / Double(l))
                }
                slope = Double(n) * (x * value - before) / (x * x - 1)
                x -= value / slope
            }
            nodes.append((x + 1) / 2)
            weights.append(1 / ((1 - x * x) * slope * slope))
        }
        return (nodes, weights)
    }
}
