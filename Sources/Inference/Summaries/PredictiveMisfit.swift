import Diffusion
import Foundation
import ModelSpace

/// Posterior-predictive misfit: root mean square of (y − E y)/sd(y) over measurements and draws; about 1 when the model
/// holds.
///
/// The sd is σ under Gaussian noise; a magnitude's falls to 0.655 σ where nothing is left of the signal.
package struct PredictiveMisfit {
    private let family: any DiffusionFamily, rician = RicianMoments.shared, s0Place: Int, snrPlace: Int, count: Int
    package private(set) var acquisition: Acquisition

    package init(_ family: any DiffusionFamily = BallSticks(), acquisition: Acquisition) {
        let layout = ThetaLayout(family.description), noise = layout.noise(family.description)
        (self.family, self.acquisition, count) = (family, acquisition, layout.count)
        (s0Place, snrPlace) = (noise.scale!, noise.level!)
    }

    /// The same for voxels that lack some of the measurements.
    func restricted(to acquisition: Acquisition) -> PredictiveMisfit {
        var other = self
        other.acquisition = acquisition
        return other
    }

    /// - Parameter draws: indices of equally weighted draws of the posterior.
    package func value(_ y: UnsafePointer<Float>, _ posterior: VoxelPosterior, draws: [Int]) -> Double {
        let m = acquisition.count
        var total = 0.0
        var attenuations = [Float](repeating: 0, count: m)
        posterior.parameters.withUnsafeBufferPointer { all in
            for d in draws {
                let theta = all.baseAddress! + d * count, z = posterior.listed[posterior.structures[d]]
                family.attenuations(theta, z, acquisition, into: &attenuations)
                let s0 = theta[s0Place], snr = theta[snrPlace], isRician = family.noise(z) == .rician
                for i in 0..<m {
                    let a = snr * Double(attenuations[i]), (mean, sd) = isRician ? rician(a) : (a, 1)
                    let e = (Double(y[i]) * snr / s0 - mean) / sd
                    total += e * e
                }
            }
        }
        let value = (total / Double(max(1, m * draws.count))).squareRoot()
        return value.isFinite ? value : 1e6
    }
}
