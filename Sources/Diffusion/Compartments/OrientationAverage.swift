import Foundation

/// Averages over directions n with density ∝ exp(κ n_1² + β n_2²) by plain quadrature: the definition of dispersed compartments, for tests.
///
/// Gauss–Legendre in n_1, the trapezoidal rule in the angle about it: 1e-12 for κ and b·d to 64.
struct OrientationAverage {
    private let directions: [SIMD3<Double>], weights: [Double]
    /// ⟨n_i²⟩.
    let squares: SIMD3<Double>

    init(kappa: Double, beta: Double) {
        let (nodes, sizes) = Self.gaussLegendre, angles = 128, top = max(kappa, beta, 0)
        var directions: [SIMD3<Double>] = [], weights: [Double] = [], squares = SIMD3<Double>.zero, total = 0.0
        for (t, size) in zip(nodes, sizes) {
            for k in 0..<angles {
                let phi = (Double(k) + 0.5) * 2 * .pi / Double(angles), r = (1 - t * t).squareRoot()
                let n = SIMD3(t, r * cos(phi), r * sin(phi)), w = size * exp(kappa * n.x * n.x + beta * n.y * n.y - top)
                directions.append(n)
                weights.append(w)
                squares += w * n * n
                total += w
            }
        }
        self.directions = directions
        self.weights = weights.map { $0 / total }
        self.squares = squares / total
    }

    /// A term's signal for a gradient with these components along the distribution's axes.
    func signal(_ term: DispersedTerm<Double>, averagesTensor: Bool, _ g: SIMD3<Double>) -> Double {
        if averagesTensor { return term.weight * exp(-(term.across + term.along * (squares * g * g).sum())) }
        var sum = 0.0
        for (n, w) in zip(directions, weights) {
            let c = (n * g).sum()
            sum += w * exp(-(term.across + term.along * c * c))
        }
        return term.weight * sum
    }

    /// 96 nodes and weights on [0, 1], by Newton's steps on Legendre's polynomial.
    private static let gaussLegendre: (nodes: [Double], weights: [Double]) = {
        let n = 96
        var nodes: [Double] = [], weights: [Double] = []
        for i in 0..<n {
            var x = cos(.pi * (Double(i) + 0.75) / (Double(n) + 0.5)), slope = 1.0
            for _ in 0..<8 {
                var before = 1.0, value = x
                for l in 2...n { (before, value) = (value, (Double(2 * l - 1) * x * value - Double(l - 1) * before) / Double(l)) }
                slope = Double(n) * (x * value - before) / (x * x - 1)
                x -= value / slope
            }
            nodes.append((x + 1) / 2)
            weights.append(1 / ((1 - x * x) * slope * slope))
        }
        return (nodes, weights)
    }()
}
