import Foundation
import ModelSpace
import Testing

@testable import Diffusion

/// What a network sees of a composed family's parameters.
@Suite struct FamilyCoordinateTests {
    private struct Voxel {
        var theta: [Double], y: [Float], coordinates: [Float], frame: CanonicalFrame

        init(_ family: CompartmentFamily, _ z: Structure, _ design: Acquisition, using random: inout RandomSource) {
            theta = family.draw(z, design, using: &random)
            y = [Float](repeating: 0, count: design.count)
            family.simulate(&theta, z, design, using: &random, into: &y)
            var features = [Float](repeating: .nan, count: family.featureCount * design.count),
                summary = [Float](repeating: .nan, count: family.summaryCount)
            frame = family.observe(y, design, features: &features, summary: &summary)
            coordinates = [Float](repeating: .nan, count: family.tokenCount * family.coordinateCount)
            family.encode(theta, z, design, frame, into: &coordinates)
        }
    }

    /// All but those that are numbers are dyads less a third of the identity, six at a time, which have no trace.
    @Test(arguments: ["ball-sticks", "tissue", "gaussian"])
    func numbersAreAllButDyads(_ name: String) {
        func check<F: DiffusionFamily>(_ family: F) {
            let layout = family.description, theta = ThetaLayout(layout), rule = StructureRule(layout)
            var random = RandomSource(seed: 7)
            let design = ProtocolMixture().draw(using: &random)
            for z in family.structureList!.structures.prefix(200) {
                let numbers = family.numberCoordinates(z), mask = family.coordinateMask(z)
                let rest = mask.indices.filter { mask[$0] != 0 && !numbers.contains($0) }
                let places = Set(rule.places(of: z, in: theta))
                let dyads = theta.entries.reduce(0) { sum, entry in
                    guard places.contains(entry.offset) else { return sum }
                    switch entry.parameter.chart {
                    case .axis: return sum + 1
                    case .rotation: return sum + 2
                    default: return sum
                    }
                }
                #expect(numbers == numbers.sorted() && numbers.allSatisfy { mask[$0] != 0 } && rest.count == 6 * dyads)
                var p = [Double](repeating: 0, count: theta.count), y = [Float](repeating: 0, count: design.count)
                family.drawParameters(z, design, using: &random, into: &p)
                family.simulate(&p, z, design, using: &random, into: &y)
                var features = [Float](repeating: 0, count: family.featureCount * design.count),
                    summary = [Float](repeating: 0, count: family.summaryCount),
                    x = [Float](repeating: 0, count: mask.count)
                let frame = family.observe(y, design, features: &features, summary: &summary)
                family.encode(p, z, design, frame, into: &x)
                for d in 0..<dyads { #expect(abs((0..<3).reduce(0) { $0 + x[rest[6 * d + $1]] }) < 1e-5) }
            }
        }
        if name == "ball-sticks" { check(BallSticks()) } else { check(TestFamily.named(name)) }
    }

    @Test(
        "decode ∘ encode is the identity to the stated accuracy",
        arguments: ["tissue", "gaussian", "noddi", "microstructure"])
    func roundTrip(_ name: String) {
        let family = TestFamily.named(name), mixture = ProtocolMixture(), slot = family.noiseSlots
        var random = RandomSource(seed: 81)
        for z in family.someStructures {
            let layout = family.signalLayout(z)
            for _ in 0..<4 {
                let design = mixture.draw(using: &random), voxel = Voxel(family, z, design, using: &random)
                var back = [Double](repeating: .nan, count: family.layout.count)
                family.decode(voxel.coordinates, z, design, voxel.frame, into: &back)
                #expect(family.logPrior(back, z).isFinite)
                #expect(abs(back[slot.snr] / voxel.theta[slot.snr] - 1) < 1e-5)
                let s0 = voxel.coordinates[family.known(z).coordinates.s0]
                if abs(s0) < 9.9 { #expect(abs(back[slot.s0] / voxel.theta[slot.s0] - 1) < 1e-5) }
                let x = family.point(z, voxel.theta), u = family.point(z, back)
                for k in 0..<layout.componentCount {
                    #expect(abs(x[SignalLayout.firstWeight + k] - u[SignalLayout.firstWeight + k]) < 2e-5)
                }
                // Members of all but equal weights may change places.
                let gaps = layout.exchangeable.flatMap { members in
                    zip(members, members.dropFirst()).map {
                        x[SignalLayout.firstWeight + $0.component] - x[SignalLayout.firstWeight + $1.component]
                    }
                }
                guard gaps.allSatisfy({ $0 > 1e-4 }) else { continue }
                var distance = [Double](repeating: 0, count: layout.shapeDimension)
                layout.shapeCoordinates(of: u, about: x, into: &distance)
                for (j, d) in distance.enumerated() {
                    let bound =
                        j < layout.scalars.count
                        ? (layout.scalars[j].isLogarithm
                            ? 1e-5 : 1e-5 * (layout.scalars[j].high - layout.scalars[j].low)) : 2e-6
                    #expect(abs(d) < bound, "coordinate \(j) of \(z.bits) by \(d)")
                }
            }
        }
    }

    @Test(
        "Coordinates have mean 0 and variance 1 under the prior, switched off exactly where the mask is 0",
        arguments: ["tissue", "gaussian", "noddi"])
    func standardised(_ name: String) {
        let family = TestFamily.named(name), design = twoShells(), structures = family.structureList!.structures,
            count = family.tokenCount * family.coordinateCount
        var random = RandomSource(seed: 82), moments = [Moments](repeating: Moments(), count: count)
        for k in 0..<40 * structures.count {
            let z = structures[k % structures.count], voxel = Voxel(family, z, design, using: &random),
                mask = family.coordinateMask(z)
            #expect(
                (0..<count).allSatisfy {
                    mask[$0] == 1 ? abs(voxel.coordinates[$0]) <= 15 : mask[$0] == 0 && voxel.coordinates[$0] == 0
                })
            for c in 0..<count where mask[c] == 1 { moments[c].add(Double(voxel.coordinates[c])) }
        }
        let frames = Set(
            structures.flatMap { z -> [Int] in
                let c = family.known(z).coordinates
                return c.axes.flatMap { Array($0..<$0 + 6) } + c.rotations.flatMap { Array($0..<$0 + 12) }
            })
        // Orientations follow the data's own frame, and so are not spread evenly.
        for c in 0..<count where moments[c].n > 0 && !frames.contains(c) {
            let error = 1 / moments[c].n.squareRoot()
            #expect(
                abs(moments[c].mean) < 0.03 + 4 * error && abs(moments[c].sd - 1) < 0.03 + 6 * error,
                "coordinate \(c): \(moments[c].mean), \(moments[c].sd)")
        }
    }

    @Test(
        "Whatever the coordinates hold, decoding lands in the prior's support",
        arguments: ["tissue", "gaussian", "composed"])
    func hostile(_ name: String) {
        let family = FamilyKernelTests.family(name), design = twoShells(b0: 50),
            count = family.tokenCount * family.coordinateCount
        var random = RandomSource(seed: 83)
        let specials: [Float] = [0, .nan, .infinity, -.infinity, 1e30, -1e30, 1e-30]
        for z in family.someStructures {
            let frame = Voxel(family, z, design, using: &random).frame
            var theta = [Double](repeating: .nan, count: family.layout.count)
            for trial in 0..<6 {
                let c = (0..<count).map { _ in
                    trial % 2 == 0 ? Float(6 * random.normal()) : specials[random.index(below: 7)]
                }
                family.decode(c, z, design, frame, into: &theta)
                #expect(theta.allSatisfy { $0.isFinite } && family.logPrior(theta, z).isFinite)
                for axis in family.signalLayout(z).axes {
                    #expect(abs((0..<3).reduce(0) { $0 + theta[axis.place + $1] * theta[axis.place + $1] } - 1) < 1e-9)
                }
            }
        }
    }
}
