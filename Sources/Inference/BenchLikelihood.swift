import CKernels
import Diffusion
import Foundation
import ModelSpace

/// What an evaluation of the likelihood costs, one at a time and in batches, beside its plain reference.
extension Bench {
    /// Rows named by structure: `one` is signal and likelihood of one θ through the family, `batched` a sample among 128.
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
            let sigma = theta[BallSticks.Slot.s0] / theta[BallSticks.Slot.snr], bound = 2e-6 * y.reduce(0) { $0 + 1 + pow(Double($1) / sigma, 2) }
            try add(
                "\(name): one", "M = \(m)", operations: operations, exponentials: exponentials, bytes: Double(20 * m),
                deviation: abs(family.logLikelihood(y, theta, z, design, scratch: &scratch) - exact), tolerance: bound,
                reference: { _ = family.logLikelihood(y, theta, z, design) }
            ) { _ = family.logLikelihood(y, theta, z, design, scratch: &scratch) }

            let count = 128
            var rows = [Float](repeating: 0, count: 16 * count), gaussian = [Double](repeating: 0, count: count), both = gaussian
            var work = [Float](repeating: 0, count: m + 64)
            for i in 0..<count { Self.store(theta, at: i, of: count, into: &rows) }
            func run() {
                rows.withUnsafeBufferPointer { rows in
                    both.withUnsafeMutableBufferPointer { both in
                        design.batchLogLikelihood(
                            y, sticks: n, hasSpread: spread, rows: rows.baseAddress!, range: 0..<count, stride: count, gaussian: &gaussian,
                            rician: rician ? both.baseAddress! : nil, work: &work)
                    }
                }
            }
            run()
            let worst = (rician ? both : gaussian).reduce(0) { max($0, abs($1 - exact)) }
            let times = Double(count)
            try add(
                "\(name): batched", "\(count) × M = \(m)", operations: times * operations, exponentials: times * exponentials,
                bytes: times * Double(20 * m), units: count, deviation: worst, tolerance: 2 * bound, run)
        }
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
