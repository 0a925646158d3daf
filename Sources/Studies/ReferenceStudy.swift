import Diffusion
import Foundation
import Inference
import ModelSpace

/// A voxel that one engine has fitted and another is to fit.
struct ReferenceCase: Sendable {
    var acquisition: Acquisition
    /// M signals over mean b≈0.
    var y: [Float]
    var posterior: VoxelPosterior
    /// Of the noise, in units of y, where it is known.
    var sigma: Double?
    /// Names the voxel's random streams.
    var key: UInt64
    var truth: Structure?, voxel: Int?
}

/// Fits voxels with a reference engine and compares.
struct ReferenceStudy: Sendable {
    let family: StudyFamily, options: FitOptions
    let reference: EngineMaker
    /// What it is, where it is less than an exact engine.
    var statement: String?
    /// What a structure may have that the engine under test gives no probability (`EngineRecipe.leastLogProbability`).
    var leastLogProbability: Double?

    /// - Returns: nil when stopped. The same for any number of threads.
    func run(
        _ cases: [ReferenceCase], engine: String, progress: @escaping @Sendable (StudyPhase, Int) -> Void,
        shouldStop: @escaping @Sendable () -> Bool
    ) throws -> EngineAgreement? {
        let comparer = EngineComparer(family, options: options)
        let finished = try resultsInParallel(
            cases.count, threads: options.threads, progress: { progress(.reference, $0) }, shouldStop: shouldStop
        ) { i in
            let item = cases[i], engine = try reference(item.acquisition, options).makeEngine()
            engine.stop(when: shouldStop)
            let exact = engine.posteriors(item.y, count: 1, keys: [item.key], sigma: [item.sigma]).first
            return exact.map {
                comparer.compare(
                    item.posterior, $0, item.y, acquisition: item.acquisition, key: item.key, truth: item.truth,
                    voxel: item.voxel)
            }
        }
        guard let finished, let first = cases.first else { return nil }
        var agreement = EngineAgreement(
            finished, engine: engine, reference: try reference(first.acquisition, options).name, lambda: options.lambda,
            family: family,
            seed: options.seed, least: leastLogProbability.map { exp($0) } ?? 1e-300)
        agreement.referenceStatement = statement
        return agreement
    }
}
