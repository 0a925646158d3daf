import CKernels
import Diffusion
import Exact
import Foundation
import ModelSpace

/// What an evaluation of the likelihood costs, and a sample of the evidence, beside plain references.
extension Bench {
    /// Rows named by structure: `one` is signal and likelihood of one θ through the family.
    public mutating func likelihoods(measurements m: Int) throws {
        let family = BallSticks(), design = BenchSubject.acquisition(measurements: m)
        var scratch = [Float](repeating: 0, count: m)
        for z in family.structureSpace.structures {
            let n = BallSticks.stickCount(z), spread = BallSticks.hasSpread(z), rician = BallSticks.isRician(z)
            let (theta, y) = BenchSubject.voxel(z, design)
            let name = "\(rician ? "Rician" : "Gaussian"), \(n) stick\(n == 1 ? "" : "s")\(spread ? ", spread" : "")"
            // Attenuations, each an exponential (with spread a logarithm too) and a dot product; then the residuals.
            let exponentials = Double(m * (n + 1) * (spread ? 2 : 1)) + (rician ? Double(2 * m) : 0)
            let operations = Double(m) * (Double(8 * n + 2) + (rician ? 40 : 4))
            let exact = family.logLikelihood(y, theta, z, design)
            // The family's own promise.
            let sigma = theta[BallSticks.Slot.s0] / theta[BallSticks.Slot.snr],
                bound = 2e-6 * y.reduce(0) { $0 + 1 + pow(Double($1) / sigma, 2) }
            try add(
                "\(name): one", "M = \(m)", operations: operations, exponentials: exponentials, bytes: Double(20 * m),
                deviation: abs(family.logLikelihood(y, theta, z, design, scratch: &scratch) - exact), tolerance: bound,
                reference: { _ = family.logLikelihood(y, theta, z, design) }
            ) { _ = family.logLikelihood(y, theta, z, design, scratch: &scratch) }
        }
        for n in 0...3 { for spread in [false, true] { try weights(design, n, spread) } }
        for n in 0...3 { for spread in [false, true] { try moves(design, n, spread) } }
    }

    /// A sweep of one draw under Rician noise, of 64 that move together: an evolution, a move of scale and noise, a
    /// turn of each stick.
    private mutating func moves(_ design: Acquisition, _ n: Int, _ spread: Bool) throws {
        let family = BallSticks(), draws = 64, sweeps = 8, m = design.count
        let z = family.structureSpace.structures[4 * n + (spread ? 3 : 1)]
        let (theta, y) = BenchSubject.voxel(z, design), moves = EnsembleMoves(acquisition: design)
        var random = RandomSource(seed: 1, stream: 6), all = (0..<draws).flatMap { _ in theta }
        let structures = Array(repeating: z, count: draws)
        func run() { moves.run(y, &all, structures: structures, sweeps: sweeps, using: &random) }
        run()
        var worst = 0.0, bound = 0.0
        for (i, kept) in moves.logLikelihoods.enumerated() {
            let one = Array(all[16 * i..<16 * (i + 1)]), sigma = one[BallSticks.Slot.s0] / one[BallSticks.Slot.snr]
            worst = max(worst, abs(kept - family.logLikelihood(y, one, z, design)))
            // Twice the likelihood's promise: coordinates are of single precision.
            bound = max(bound, 4e-6 * y.reduce(0) { $0 + 1 + pow(Double($1) / sigma, 2) })
        }
        // Attenuations of all compartments, the ball's a b-value, and of each stick once more; 2 + n times residuals
        // and Bessel functions.
        let shells = Set(design.bValues).count, exponentials = (spread ? 2 : 1) * (shells + 2 * n * m),
            units = draws * sweeps
        try add(
            "\(n) stick\(n == 1 ? "" : "s")\(spread ? ", spread" : ""): sweep of moves", "\(draws) draws, M = \(m)",
            operations: Double(units * m * ((2 + n) * (2 * n + 30) + 16 * n)),
            exponentials: Double(units * exponentials), units: units, deviation: worst,
            tolerance: bound, run)
    }

    /// Samples of which the shape is given: weights and noise drawn, with their density, and both likelihoods. In the
    /// difference of the two kinds of noise the density cancels.
    private mutating func weights(_ design: Acquisition, _ n: Int, _ spread: Bool) throws {
        let family = BallSticks(), count = 128, m = design.count, pair = 2 * n + (spread ? 1 : 0)
        let gaussianZ = family.structureSpace.structures[2 * pair],
            ricianZ = family.structureSpace.structures[2 * pair + 1]
        let (theta, y) = BenchSubject.voxel(ricianZ, design), weights = ConditionalWeights(acquisition: design)
        let job = weights.job(
            y, LocalGeometry(gaussianZ), views: [.init(y, theta, gaussianZ, design)], scale: theta[BallSticks.Slot.s0],
            canBeRician: true)
        var random = RandomSource(seed: 1, stream: 5), rows = [Float](repeating: 0, count: 16 * count)
        let uniforms = (0..<(n + 2) * count).map { _ in Float(0.001 + 0.998 * random.uniform()) }
        var gaussian = [Double](repeating: 0, count: count), rician = gaussian, worst = 0.0, bound = 0.0
        for i in 0..<count { Self.store(theta, at: i, of: count, into: &rows) }
        func run() {
            weights.draw(
                job, uniforms: uniforms, first: 0, count: count, stride: count, rows: &rows, gaussian: &gaussian,
                rician: &rician)
        }
        run()
        for i in 0..<count {
            var t = theta
            (t[BallSticks.Slot.snr], t[BallSticks.Slot.s0]) = (
                exp(Double(rows[2 * count + i])), exp(Double(rows[3 * count + i]))
            )
            for k in 0..<n { t[BallSticks.Slot.fraction + k] = Double(rows[(4 + k) * count + i]) }
            let difference = family.logLikelihood(y, t, ricianZ, design) - family.logLikelihood(y, t, gaussianZ, design)
            worst = max(worst, abs(rician[i] - gaussian[i] - difference))
            let sigma = t[BallSticks.Slot.s0] / t[BallSticks.Slot.snr]
            // Twice the likelihood's promise, and what the rows' single precision moves.
            bound = max(bound, 4e-6 * y.reduce(0) { $0 + 1 + pow(Double($1) / sigma, 2) })
        }
        let w = n + 1, products = m * w * (w + 3), size = Double(count)
        try add(
            "\(n) stick\(n == 1 ? "" : "s")\(spread ? ", spread" : ""): weights, noise, both likelihoods",
            "\(count) × M = \(m)",
            operations: size * Double(m * (8 * n + 2) + products + 44 * m),
            exponentials: size * Double(m * w * (spread ? 2 : 1) + 2 * m + 20 * (n + 2)),
            bytes: size * Double(20 * m), units: count, deviation: worst, tolerance: bound, run)
    }

    /// Sample `i` of rows as the kernels take them.
    static func store(_ theta: [Double], at i: Int, of count: Int, into rows: inout [Float]) {
        typealias Slot = BallSticks.Slot
        rows[i] = Float(log(theta[Slot.diffusivity]))
        rows[count + i] = theta[Slot.spread] > 0 ? Float(log(theta[Slot.spread] / theta[Slot.diffusivity])) : 0
        rows[2 * count + i] = Float(log(theta[Slot.snr]))
        rows[3 * count + i] = Float(log(theta[Slot.s0]))
        for k in 0..<12 { rows[(4 + k) * count + i] = Float(theta[Slot.fraction + k]) }
    }
}
