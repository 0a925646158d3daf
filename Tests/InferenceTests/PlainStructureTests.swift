import Exact
import Foundation
import ModelSpace
import TestFixtures
import Testing

@testable import Diffusion
@testable import Inference

/// A search without a network finds the modes of plain structures whatever those of their neighbours lead to: a truth
/// whose mode was missed is called impossible by dozens of nats.
@Suite struct PlainStructureTests {
    static let acquisition = TestAcquisition.shells([1000, 2000, 3000], unweighted: 5, directions: 20)
    /// Shapes of each other, with wide priors: a stick's best place need not be near a tensor's.
    static let family = try! ComposedFamily.read(
        """
        name: shapes
        components:
          ball: {weight: 0, parameters: {d: uniform 0 1e-2 in mm^2/s}, signal: ball}
          stick:
            presence: up to 2
            weight: 0
            parameters: {mu: axis, d: uniform 0 1e-2 in mm^2/s}
            fibre: mu
            signal: stick
          zeppelin:
            presence: up to 2
            weight: 0
            parameters: {mu: axis, d_par: uniform 0 1e-2 in mm^2/s, ratio: uniform 0 1}
            fibre: mu
            signal: zeppelin
          tensor:
            presence: up to 2
            weight: 0
            parameters: {d1: log-uniform 1.2e-3 1.2e-2 in mm^2/s, ratio2: log-uniform 0.05 0.9, ratio3: log-uniform \
        0.04 0.8, rotation: rotation}
            signal: {compartment: tensor, d2: d1 * ratio2, d3: d1 * ratio2 * ratio3}
        rules: ["at least 1 of ball, stick, zeppelin, tensor"]
        noise: {kinds: [gaussian], snr: log-uniform 15 70}
        """)

    /// ln P(truth) of voxels of one or two components.
    static func logProbabilities(_ count: Int, plainCount: Int) throws -> [Double] {
        let theta = ThetaLayout(family.description), rule = StructureRule(family.description)
        let plain = family.structureList!.structures.filter {
            SignalLayout(family.description, theta, rule, $0).componentCount <= 2
        }
        var options = FitOptions()
        options.samples = 2
        var recipe = try FamilyEngineRecipe(
            family: family, file: nil, path: "", acquisition: acquisition, options: options)
        recipe.exploration.plainCount = plainCount
        let engine = recipe.makeEngine()
        return (0..<count).map { v in
            var random = RandomSource(seed: 4, stream: UInt64(v)), y = [Float](repeating: 0, count: acquisition.count)
            var numbers = [Double](repeating: 0, count: family.parameterNames.count)
            let truth = plain[v % plain.count]
            family.drawParameters(truth, acquisition, using: &random, into: &numbers)
            family.simulate(&numbers, truth, acquisition, using: &random, into: &y)
            let answer = engine.posteriors(y, count: 1, keys: [UInt64(v)], sigma: [])[0]
            return answer.listed.firstIndex(of: truth).map { answer.logProbability[$0] } ?? -.infinity
        }
    }

    @Test func noneIsMissed() throws {
        let found = try Self.logProbabilities(84, plainCount: 2), without = try Self.logProbabilities(84, plainCount: 0)
        let missed = found.filter { $0 < -12 }.count, before = without.filter { $0 < -12 }.count
        print("impossible truths of 84: \(missed), where neighbours alone say where to look: \(before)")
        #expect(missed == 0 && before >= 2)
    }
}
