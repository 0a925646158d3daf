import Foundation

/// What a network is told of when a measurement's gradient pulses come, beside the features of every family: for
/// families some of whose signals depend on it.
///
///     (log δ − 2.87) / 0.51,  (log(Δ − δ/3) − 3.39) / 0.32      δ, Δ in ms
///
/// A restricted signal depends on the pulses by b, δ and the diffusion time Δ − δ/3 alone, and in both limits (pulses
/// far longer or shorter than it takes to cross the compartment) log −log A is a sum of their logarithms.
/// - Source: Neuman, J Chem Phys 60 (1974) 4508 (long pulses); means and deviations measured over
///   `ProtocolMixture.drawTiming` (see the tests, which measure them again).
enum TimingFeatures {
    static let count = 2
    static let duration = (mean: 2.87, sd: 0.51), time = (mean: 3.39, sd: 0.32)

    /// Both, within ±5.
    static func values(_ t: PulseTiming) -> (Float, Float) {
        func standardised(_ x: Double, _ scale: (mean: Double, sd: Double)) -> Float {
            let value = (log(x) - scale.mean) / scale.sd
            return value.isFinite ? Float(max(-5, min(5, value))) : 0
        }
        return (standardised(t.duration, duration), standardised(t.separation - t.duration / 3, time))
    }
}

extension Acquisition {
    /// `observe`, each measurement's features followed by those of its timing; 0, their mean, where nobody says it.
    /// - Parameter features: room for M × (20 + 2).
    func observeTimed(
        _ y: UnsafePointer<Float>, features: UnsafeMutablePointer<Float>, summary: UnsafeMutablePointer<Float>
    ) -> CanonicalFrame {
        let plain = Self.featureCount, all = plain + TimingFeatures.count, timing = tables.timingFeatures
        // Written close together at the end of their room, and moved apart from the first on: no row is written over
        // before it has moved.
        let start = features + TimingFeatures.count * count, frame = observe(y, features: start, summary: summary)
        for i in 0..<count {
            let row = features + all * i
            row.update(from: start + plain * i, count: plain)
            (row[plain], row[plain + 1]) = timing.isEmpty ? (0, 0) : timing[i]
        }
        return frame
    }
}
