import Diffusion
import ModelSpace

/// What the posterior of one voxel predicts for each measurement, and what the signals leave over; holds the scratch
/// memory of one worker.
///
/// Predictions are averages over equally weighted draws at the λ of the fit.
struct VoxelPredictions {
    private let metadata: PosteriorMetadata, structures: StructureTable
    private let family: any DiffusionFamily, s0Place: Int, snrPlace: Int
    private let rician = RicianMoments.shared, weighting: DrawWeights
    private var posterior = ListedPosterior(), probability: [Double] = [], weights: [Float], chosen: [UInt16] = []
    private var theta: [Double], fibres: [Float], attenuations: [Float], meanB0: Float = 0

    /// Probability of 0, 1, 2 and 3 fibres.
    private(set) var fibreCounts = SIMD4<Double>()
    /// M: (y − E y)/σ averaged over draws.
    private(set) var residuals: [Double]
    /// M: mean and standard deviation of a new measurement, in the scan's units: what draws differ by, and the noise.
    private(set) var mean: [Double], sd: [Double]
    /// Mean fraction and mean axis of the draws' first fibres.
    private(set) var fraction = 0.0, mainAxis = SIMD3<Double>()

    init(
        _ metadata: PosteriorMetadata, _ structures: StructureTable, _ family: any DiffusionFamily,
        _ acquisition: Acquisition
    ) {
        let noise = ThetaLayout(family.description).noise(family.description)
        (self.family, s0Place, snrPlace) = (family, noise.scale!, noise.level!)
        (self.metadata, self.structures) = (metadata, structures)
        weighting = DrawWeights(metadata, structures: structures, target: metadata.drawLambda)
        weights = Array(repeating: 0, count: metadata.drawCount)
        theta = Array(repeating: 0, count: metadata.layout.count)
        fibres = Array(repeating: 0, count: DrawColumn.count)
        attenuations = Array(repeating: 0, count: acquisition.count)
        residuals = attenuations.map(Double.init)
        (mean, sd) = (residuals, residuals)
    }

    /// Takes voxel `i` of a shard.
    mutating func read(_ shard: PosteriorShard, _ i: Int) {
        shard.read(i, into: &posterior)
        weighting.update(posterior, probability: &probability, weights: &weights)
        fibreCounts = SIMD4()
        for (row, p) in zip(posterior.rows, probability) { fibreCounts[structures.rows[row].fibreCount] += p }
        meanB0 = shard.meanB0[i]
    }

    /// Predicts its measurements.
    /// - Parameter acquisition: that of this voxel.
    /// - Precondition: the mean b≈0 signal is above 0.
    mutating func predict(_ signals: UnsafePointer<Float>, _ acquisition: Acquisition, draws: Int) {
        let m = acquisition.count, layout = metadata.layout, p = layout.count
        if chosen.count != draws { chosen = Array(repeating: 0, count: draws) }
        DrawWeights.resample(weights, drawCount: metadata.drawCount, samples: draws, into: &chosen)
        var dyad = SymmetricMatrix3()
        fraction = 0
        for j in 0..<m { (residuals[j], mean[j], sd[j]) = (0, 0, 0) }
        for s in chosen {
            let structure = posterior.structures[Int(posterior.drawPlaces[Int(s)])], row = Int(s) * p
            for c in 0..<p { theta[c] = Double(posterior.draws[row + c]) * (1 / layout.scales[c]) }
            posterior.draws.withUnsafeBufferPointer { draws in
                fibres.withUnsafeMutableBufferPointer {
                    layout.fibres.convert(draws.baseAddress! + row, into: $0.baseAddress!)
                }
            }
            family.attenuations(theta, structure, acquisition, into: &attenuations)
            let snr = theta[snrPlace], isRician = family.noise(structure) == .rician
            let scale = snr / (theta[s0Place] * Double(meanB0))
            for j in 0..<m {
                let a = snr * Double(attenuations[j]), (expected, spread) = isRician ? rician(a) : (a, 1)
                residuals[j] += (Double(signals[j]) * scale - expected) / Double(draws)
                // Moments of the mixture of draws, in the scan's units.
                mean[j] += expected / scale / Double(draws)
                sd[j] += (expected * expected + spread * spread) / (scale * scale) / Double(draws)
            }
            let a = DrawColumn.direction
            dyad.add(SIMD3(Double(fibres[a]), Double(fibres[a + 1]), Double(fibres[a + 2])), weight: 1)
            fraction += Double(fibres[DrawColumn.fraction]) / Double(draws)
        }
        for j in 0..<m { sd[j] = max(0, sd[j] - mean[j] * mean[j]).squareRoot() }
        mainAxis = dyad.largest().vector
    }
}
