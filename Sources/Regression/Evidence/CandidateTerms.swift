import CKernels
import Foundation

/// A term that may be added, with scores of its inner parameters.
struct Candidate { var term: Int, scores: [Double] }

/// What one more term would do, by bordering the factor of the terms that are there, eight trials at a time.
extension CollapsedDensity {
    /// One more term, one of some: the last pivot of ΦᵀΦ + (σ²/s²) I, and the column's product with y beyond what the
    /// others have of it; after `solve`.
    private func bordered(_ candidates: [Candidate], ratio: Double) -> [(pivot: Double, product: Double)] {
        let k = size
        var all: [(pivot: Double, product: Double)] = []
        all.reserveCapacity(candidates.count)
        withUnsafeTemporaryAllocation(of: Double.self, capacity: max(2, k)) { room in
            let v = room.baseAddress!
            for start in Swift.stride(from: 0, to: candidates.count, by: 8) {
                let some = candidates[start..<min(start + 8, candidates.count)]
                for (lane, one) in some.enumerated() {
                    fill(one.term, one.scores, trial)
                    whiten(trial, candidate)
                    pk_column_products(width, k, columns, candidate, v)
                    for c in 0..<k { lanes[8 * c + lane] = v[c] }
                    pk_column_products(width, 1, candidate, candidate, v)
                    pk_column_products(width, 1, y, candidate, v + 1)
                    all.append((v[0] + ratio, v[1]))
                }
                factor.forward(lanes: lanes)
                for lane in some.indices {
                    for c in 0..<k {
                        let x = lanes[8 * c + lane - start]
                        all[lane].pivot -= x * x
                        all[lane].product -= x * work[c]
                    }
                }
            }
        }
        return all
    }

    /// What one more term would add to the log-density at each of some scores of its inner parameters, σ kept but the
    /// misfit scaled to what remains; after `solve`.
    ///
    /// An estimate, for choosing what to try; with heavy tails it takes the errors for normal.
    func gains(_ term: Int, _ candidates: [[Double]], ratio: Double) -> [Double] {
        let rest = max(1e-300, square - Self.dot(work, work, size))
        return bordered(candidates.map { Candidate(term: term, scores: $0) }, ratio: ratio).map { d, e in
            -0.5 * Double(n) * log1p(-min(1 - 1e-12, e * e / (d * rest))) - 0.5 * log(d / ratio)
        }
    }

    /// The log-density at a score of σ, and with one more term, one of some: normal noise, or precisions known.
    /// - Accuracy: 1e-8 of appending the term, as a test asserts.
    func additions(_ candidates: [Candidate], _ level: Double) -> (without: Double, with: [Double]) {
        let without = logDensity(level), sigma = NoiseModel.level.value(level)
        let ratio = sigma * sigma / (RegressionFamily.amplitudeSD * RegressionFamily.amplitudeSD)
        let with = bordered(candidates, ratio: ratio).map { d, e in
            without + 0.5 * (e * e / (d * sigma * sigma) - log(d / ratio))
        }
        return (without, with)
    }
}
