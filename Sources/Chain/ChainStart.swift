import Diffusion
import Foundation

/// Where a chain begins: the best fit of ball and sticks from a fixed dictionary of diffusivities and directions.
///
/// For each of eight diffusivities the rows of a ball and of sticks along 60 directions are kept with their mutual
/// products. Sticks join one by one, each the one that lowers the squared residual most with all weights ≥ 0; then each
/// is exchanged for a better one, twice round. A few tens of microseconds a voxel. Immutable.
final class ChainStart: @unchecked Sendable {
    private static let diffusivities = (0..<8).map { 3e-4 * pow(10, Double($0) / 7) }
    private static let axes = DirectionSets.fibonacci(60)
    private static let atoms = axes.count + 1
    /// Spread over diffusivity of model 2's dictionary.
    private static let spreadRatio = 0.5

    struct Fit {
        var s0 = 1.0, diffusivity = 1e-3, spread = 0.0
        /// Chosen sticks, most heavily weighted first; no more than were asked for.
        var sticks: [(fraction: Double, axis: SIMD3<Double>)] = []
    }

    private let design: ChainDesign, hasSpread: Bool
    private let rows: UnsafeMutablePointer<Double>, grams: UnsafeMutablePointer<Double>

    init(_ design: ChainDesign, hasSpread: Bool) {
        self.design = design
        self.hasSpread = hasSpread
        let n = Self.atoms, levels = Self.diffusivities.count
        rows = .allocate(capacity: levels * n * design.padded)
        grams = .allocate(capacity: levels * n * n)
        for (l, d) in Self.diffusivities.enumerated() {
            for a in 0..<n {
                design.fill(
                    rows + (l * n + a) * design.padded, diffusivity: d, spread: hasSpread ? Self.spreadRatio * d : 0,
                    axis: a == 0 ? nil : Self.axes[a - 1])
                for other in 0...a {
                    let p = dot(rows + (l * n + a) * design.padded, rows + (l * n + other) * design.padded)
                    grams[(l * n + a) * n + other] = p
                    grams[(l * n + other) * n + a] = p
                }
            }
        }
    }

    deinit {
        rows.deallocate()
        grams.deallocate()
    }

    private func dot(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>) -> Double {
        var total = SIMD8<Double>()
        for i in stride(from: 0, to: design.padded, by: 8) {
            let x = UnsafeRawPointer(a + i).loadUnaligned(as: SIMD8<Double>.self),
                y = UnsafeRawPointer(b + i).loadUnaligned(as: SIMD8<Double>.self)
            total += x * y
        }
        return total.sum()
    }

    /// - Parameter y: the padded data.
    func fit(_ y: UnsafePointer<Double>, sticks: Int) -> Fit {
        let n = Self.atoms
        var best = (gain: -Double.infinity, level: 0, set: [Int](), weights: SIMD4<Double>())
        withUnsafeTemporaryAllocation(of: Double.self, capacity: n) { buffer in
            let moments = buffer.baseAddress!
            for l in Self.diffusivities.indices {
                for a in 0..<n { moments[a] = dot(rows + (l * n + a) * design.padded, y) }
                let gram = UnsafePointer(grams + l * n * n)
                var chosen = Selection(gram: gram, moments: moments, atoms: n)
                for _ in 0..<sticks { chosen.add() }
                for _ in 0..<2 { for k in 1..<max(2, chosen.count) where chosen.count > 1 { chosen.exchange(k) } }
                if chosen.gain > best.gain {
                    best = (chosen.gain, l, (0..<chosen.count).map { chosen.set[$0] }, chosen.weights)
                }
            }
        }
        var fit = Fit()
        fit.diffusivity = Self.diffusivities[best.level]
        fit.spread = hasSpread ? Self.spreadRatio * fit.diffusivity : 0
        let total = best.weights.sum()
        guard total > 0, total.isFinite else { return fit }
        fit.s0 = total
        for k in 1..<max(1, best.set.count) where best.weights[k] > 0 {
            fit.sticks.append((best.weights[k] / total, Self.axes[best.set[k] - 1]))
        }
        fit.sticks.sort { $0.fraction > $1.fraction }
        return fit
    }
}

/// The ball (atom 0) and up to three sticks of a dictionary with their least-squares weights ≥ 0.
private struct Selection {
    let gram: UnsafePointer<Double>, moments: UnsafePointer<Double>, atoms: Int
    var set = SIMD4<Int>(), count = 1
    var weights = SIMD4<Double>()
    /// By how much the weighted atoms lower Σ y².
    var gain = 0.0

    init(gram: UnsafePointer<Double>, moments: UnsafePointer<Double>, atoms: Int) {
        self.gram = gram
        self.moments = moments
        self.atoms = atoms
        (weights, gain) = solve(set, 1)
    }

    /// Adds the stick that helps most, if any does.
    mutating func add() {
        var best = self
        for a in 1..<atoms { attempt(a, at: count, count + 1, &best) }
        self = best
    }

    /// Puts the best stick of all in place k.
    mutating func exchange(_ k: Int) {
        var best = self
        for a in 1..<atoms { attempt(a, at: k, count, &best) }
        self = best
    }

    @inline(__always)
    private func attempt(_ a: Int, at k: Int, _ count: Int, _ best: inout Selection) {
        var trial = set
        trial[k] = a
        let (weights, gain) = solve(trial, count)
        guard gain > best.gain * (1 + 1e-12), weights[k] > 0 else { return }
        best.set = trial
        best.count = count
        best.weights = weights
        best.gain = gain
    }

    /// Least squares by Cholesky; the most negative weight is struck out until none is left.
    private func solve(_ set: SIMD4<Int>, _ count: Int) -> (SIMD4<Double>, Double) {
        var struck = SIMD4<Int>()
        for _ in 0..<count {
            var l = (SIMD4<Double>(), SIMD4<Double>(), SIMD4<Double>(), SIMD4<Double>()), x = SIMD4<Double>()
            withUnsafeMutableBytes(of: &l) { raw in
                let l = raw.assumingMemoryBound(to: Double.self).baseAddress!
                for i in 0..<count {
                    for j in 0...i {
                        var sum =
                            struck[i] + struck[j] > 0
                            ? (i == j ? 1 : 0) : gram[set[i] * atoms + set[j]] * (i == j ? 1 + 1e-9 : 1)
                        for k in 0..<j { sum -= l[4 * i + k] * l[4 * j + k] }
                        l[4 * i + j] = i == j ? max(sum, 1e-12).squareRoot() : sum / l[4 * j + j]
                    }
                    var sum = struck[i] > 0 ? 0 : moments[set[i]]
                    for k in 0..<i { sum -= l[4 * i + k] * x[k] }
                    x[i] = sum / l[4 * i + i]
                }
                for i in stride(from: count - 1, through: 0, by: -1) {
                    var sum = x[i]
                    for k in i + 1..<max(count, i + 1) { sum -= l[4 * k + i] * x[k] }
                    x[i] = sum / l[4 * i + i]
                }
            }
            var worst = -1
            for i in 0..<count where struck[i] == 0 && x[i] < 0 && (worst < 0 || x[i] < x[worst]) { worst = i }
            guard worst < 0 else { struck[worst] = 1; continue }
            var gain = 0.0
            for i in 0..<count where struck[i] == 0 { gain += x[i] * moments[set[i]] }
            return (x, gain)
        }
        return (SIMD4(), 0)
    }
}
