import Foundation
import ModelSpace

/// Steps of the numbers of one structure.
extension CollapsedSampler {
    /// Draws of a structure's numbers, each after some sweeps of steps that leave their posterior as it is: draws that
    /// are the same by resampling part, and what importance sampling seldom met is walked to.
    ///
    /// A sweep: each term's inner parameters by themselves, in steps of several sizes and anew from their prior; all of
    /// them with σ along a normal of covariance L Lᵀ; σ. Under heavy tails each error's precision is drawn first, given
    /// amplitudes.
    /// - Parameter lower: L, row-major, of (σ's score, each term's in turn).
    func moved(_ draws: [RegressionDraw], of z: Structure, along lower: [Double], sweeps: Int) -> [RegressionDraw] {
        draws.map { draw in
            _ = StructureDensity(density, z, at: draw.point)
            (level, precisions) = (draw.point[0], nil)
            var amplitudes = draw.amplitudes
            value = logDensity(level)
            for _ in 0..<sweeps {
                if density.isHeavy { choosePrecisions(amplitudes) }
                for c in density.terms.indices where !density.inner[c].isEmpty {
                    moveInner(c)
                    renewInner(c)
                }
                moveAll(lower)
                moveLevel()
                if density.isHeavy { amplitudes = density.amplitudes(level, using: &random) }
            }
            if !density.isHeavy { amplitudes = density.amplitudes(level, using: &random) }
            return RegressionDraw(point: point, amplitudes: amplitudes)
        }
    }

    /// One term's inner parameters anew from their prior.
    private func renewInner(_ c: Int) {
        let old = density.inner[c]
        density.replace(c, density.terms[c], old.map { _ in random.normal() })
        let other = logDensity(level)
        if accepts(other - value) { value = other } else { density.restore(c, density.terms[c], old) }
    }

    /// A step of all numbers together, of the length that suits a normal in so many dimensions.
    /// - Source: Roberts, Gelman, Gilks, Annals of Applied Probability 7 (1997) 110.
    private func moveAll(_ lower: [Double]) {
        let old = point, d = old.count, e = old.map { _ in random.normal() }, size = 2.4 / Double(d).squareRoot()
        let new = old.indices.map { i in
            old[i] + size * (0...i).reduce(0) { $0 + lower[i * d + $1] * e[$1] }
        }
        set(new)
        let other = logDensity(new[0]), prior = 0.5 * zip(old, new).reduce(0) { $0 + $1.0 * $1.0 - $1.1 * $1.1 }
        if new.allSatisfy({ abs($0) < 8 }), accepts(other - value + prior) {
            (level, value) = (new[0], other)
        } else {
            set(old)
        }
    }

    /// Inner parameters of all columns, which are of terms rising.
    private func set(_ point: [Double]) {
        var at = 1
        for c in density.terms.indices where !density.inner[c].isEmpty {
            let n = density.inner[c].count
            density.setInner(c, Array(point[at..<at + n]))
            at += n
        }
    }
}
