import Diffusion
import ModelSpace
import TestFixtures
import Testing

@testable import Inference

@Suite struct FibreColumnsTests {
    private static let acquisition = TestAcquisition.shells([1000], unweighted: 1, directions: 12)

    /// Ball and sticks seen as any family is what it is anyway.
    @Test func ballAndSticksAreTheirOwnView() throws {
        let family = BallSticks(),
            columns = FibreColumns(BallSticks.family, ThetaLayout(BallSticks.family), isIdentity: false),
            layout = try DrawLayout(BallSticks.family)
        var random = RandomSource(seed: 3), theta = [Double](repeating: 0, count: 16),
            out = [Float](repeating: -1, count: 16)
        for z in family.structureSpace.structures {
            family.drawParameters(z, Self.acquisition, using: &random, into: &theta)
            let row = zip(theta, layout.scales).map { Float($0 * $1) }
            columns.convert(row, into: &out)
            for c in DrawColumn.snr..<DrawColumn.count { #expect(out[c] == row[c]) }
        }
    }

    /// Bundles of tissue, and of gaussian's nine fibres the three of most weight.
    @Test func theHeaviestComeFirst() throws {
        for name in ["tissue", "gaussian"] {
            let family = try #require(BuiltInFamilies.family(name)), layout = ThetaLayout(family.description)
            let columns = FibreColumns(family.description, layout, isIdentity: false)
            var random = RandomSource(seed: 4), theta = [Double](repeating: 0, count: layout.count),
                out = [Float](repeating: -1, count: 16)
            for z in family.someStructures {
                family.drawParameters(z, Self.acquisition, using: &random, into: &theta)
                columns.convert(theta.map { Float($0) }, into: &out)
                var weights: [Float] = []
                for group in family.description.groups where group.fibreAxis != nil {
                    let weight = group.parameters.first(where: \.isLinear)!.name
                    for member in 0..<group.most {
                        weights.append(Float(theta[layout.offset(of: weight, in: group.name, member: member)!]))
                    }
                }
                let expected = (weights.filter { $0 > 0 }.sorted(by: >) + [0, 0, 0]).prefix(3)
                #expect(Array(out[DrawColumn.fraction..<DrawColumn.fraction + 3]) == Array(expected))
                for k in 0..<3 where expected[k] > 0 {
                    let a = DrawColumn.direction + 3 * k,
                        length = out[a] * out[a] + out[a + 1] * out[a + 1] + out[a + 2] * out[a + 2]
                    #expect(abs(length - 1) < 1e-5)
                }
            }
        }
    }
}
