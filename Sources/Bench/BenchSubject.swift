import Diffusion
import Foundation
import ModelSpace

/// Simulations to measure on: an acquisition of M volumes, a tenth of them b≈0, the rest on shells of 1000, 2000 and
/// 3000 s/mm².
public enum BenchSubject {
    public static func acquisition(measurements m: Int) -> Acquisition {
        let n0 = max(1, m / 10), weighted = m - n0, shells = [1000.0, 2000, 3000]
        let counts = shells.indices.map { weighted / 3 + ($0 < weighted % 3 ? 1 : 0) }
        let directions = DirectionSets.spreadShells(counts)
        let b = [Double](repeating: 0, count: n0) + zip(shells, counts).flatMap { Array(repeating: $0, count: $1) }
        do {
            return try Acquisition(
                bValues: b, directions: Array(repeating: .zero, count: n0) + directions.flatMap { $0 })
        } catch {
            preconditionFailure("a generated acquisition is refused: \(error)")
        }
    }

    /// Parameters such as brain has, of a structure, and signals simulated from them.
    static func voxel(_ z: Structure, _ design: Acquisition) -> (theta: [Double], y: [Float]) {
        typealias Slot = BallSticks.Slot
        var theta = [Double](repeating: 0, count: Slot.count), y = [Float](repeating: 0, count: design.count)
        (theta[Slot.diffusivity], theta[Slot.snr], theta[Slot.s0]) = (1.5e-3, 25, 1)
        if BallSticks.hasSpread(z) { theta[Slot.spread] = 0.6e-3 }
        let fractions = [0.4, 0.25, 0.15], axes = [[0.8, 0.0, 0.6], [-0.48, 0.6, 0.64], [0.0, -0.28, 0.96]]
        for k in 0..<BallSticks.stickCount(z) {
            theta[Slot.fraction + k] = fractions[k]
            for c in 0..<3 { theta[Slot.axis + 3 * k + c] = axes[k][c] }
        }
        var random = RandomSource(seed: 1, stream: 2)
        BallSticks().simulate(&theta, z, design, using: &random, into: &y)
        return (theta, y)
    }

    /// Signals of voxels drawn from the prior (λ = 0.5), V × M, in scanner units.
    static func voxels(_ count: Int, _ design: Acquisition) -> [Float] {
        let family = BallSticks(), m = design.count
        var all = [Float](repeating: 0, count: count * m), theta = [Double](repeating: 0, count: BallSticks.Slot.count)
        for v in 0..<count {
            var random = RandomSource(seed: 1, stream: UInt64(v))
            let z = family.structureSpace.structures[family.structureSpace.draw(lambda: 0.5, using: &random)]
            family.drawParameters(z, design, using: &random, into: &theta)
            all.withUnsafeMutableBufferPointer {
                family.simulate(&theta, z, design, using: &random, into: $0.baseAddress! + v * m)
            }
        }
        return all.map { 1000 * $0 }
    }
}
