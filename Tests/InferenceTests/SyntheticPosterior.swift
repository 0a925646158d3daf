import Diffusion
import Foundation
import Inference
import ModelSpace

/// Draws of a voxel whose fibres are known.
struct SyntheticVoxel {
    struct Fibre {
        var axis: SIMD3<Double>
        var fraction: Double, fractionSD = 0.03
        /// Standard deviation of the direction along each of two perpendicular axes, radians.
        var angleSD = 0.05
        /// Probability that a draw has it.
        var presence = 1.0
    }
    var fibres: [Fibre]

    /// S draws in archive layout with sticks sorted by falling fraction, and for each draw the fibre that each stick
    /// came from.
    func draws(_ s: Int, using random: inout RandomSource) -> (values: [Float], origin: [[Int]]) {
        var values = [Float](repeating: 0, count: s * DrawColumn.count), origin: [[Int]] = []
        for d in 0..<s {
            var sticks: [(fraction: Double, axis: SIMD3<Double>, fibre: Int)] = []
            for (number, fibre) in fibres.enumerated() where random.uniform() < fibre.presence {
                var axis = fibre.axis + fibre.angleSD * SIMD3(random.normal(), random.normal(), random.normal())
                axis *= (random.uniform() < 0.5 ? -1 : 1) / (axis * axis).sum().squareRoot()
                sticks.append((max(0.05, fibre.fraction + fibre.fractionSD * random.normal()), axis, number))
            }
            sticks.sort { $0.fraction > $1.fraction }
            let base = d * DrawColumn.count
            values[base + DrawColumn.diffusivity] = Float(1 + 0.1 * random.normal())
            values[base + DrawColumn.snr] = Float(25 + random.normal())
            values[base + DrawColumn.scale] = Float(1 + 0.02 * random.normal())
            for (j, stick) in sticks.enumerated() {
                values[base + DrawColumn.fraction + j] = Float(stick.fraction)
                for a in 0..<3 { values[base + DrawColumn.direction + 3 * j + a] = Float(stick.axis[a]) }
            }
            origin.append(sticks.map(\.fibre))
        }
        return (values, origin)
    }
}

/// Sixteen structures: number of sticks, then spread, then noise.
let table = StructureTable(StructureRule(BallSticks.family))

func unit(_ x: Double, _ y: Double, _ z: Double) -> SIMD3<Double> {
    SIMD3(x, y, z) / (x * x + y * y + z * z).squareRoot()
}

/// Angle between axes, degrees.
func angle(_ a: SIMD3<Double>, _ b: SIMD3<Double>) -> Double { acos(min(1, abs((a * b).sum()))) * 180 / .pi }
