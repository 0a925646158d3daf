import Foundation
import ModelSpace
import Testing

@testable import Diffusion

let family = BallSticks()
let structures = family.structureSpace.structures

/// A two-shell acquisition: `n0` b≈0 volumes at `b0`, 30 directions at b 1000, 30 at b 2500.
func twoShells(n0: Int = 4, b0: Double = 0) -> Acquisition {
    let directions = DirectionSets.spread(60, steps: 40)
    let zero = (0..<n0).map { k in b0 > 0 ? directions[7 * k] : .zero }
    return try! Acquisition(
        bValues: Array(repeating: b0, count: n0) + (0..<60).map { $0 % 2 == 0 ? 1000 : 2500 },
        directions: zero + directions)
}

/// One voxel: parameters, data, and what the family makes of them.
struct Voxel {
    var theta = [Double](repeating: 0, count: 16)
    var y: [Float]
    var features: [Float]
    var summary = [Float](repeating: 0, count: BallSticks().summaryCount)
    var coordinates = [Float](repeating: 0, count: 44)
    var frame: CanonicalFrame

    init(_ z: Structure, _ design: Acquisition, using random: inout RandomSource) {
        y = [Float](repeating: 0, count: design.count)
        features = [Float](repeating: .nan, count: design.count * 20)
        family.drawParameters(z, design, using: &random, into: &theta)
        family.simulate(&theta, z, design, using: &random, into: &y)
        frame = family.observe(y, design, features: &features, summary: &summary)
        family.encode(theta, z, design, frame, into: &coordinates)
    }

    init(data: [Float], _ design: Acquisition) {
        y = data
        features = [Float](repeating: .nan, count: design.count * 20)
        frame = family.observe(y, design, features: &features, summary: &summary)
    }
}

func axis(_ theta: [Double], _ k: Int) -> SIMD3<Double> { SIMD3(theta[7 + 3 * k], theta[8 + 3 * k], theta[9 + 3 * k]) }

/// Running mean and standard deviation.
struct Moments {
    var n = 0.0, sum = 0.0, square = 0.0
    mutating func add(_ x: Double) { n += 1; sum += x; square += x * x }
    var mean: Double { sum / n }
    var sd: Double { max(0, square / n - mean * mean).squareRoot() }
}
