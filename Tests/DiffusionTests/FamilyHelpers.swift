import Foundation
import ModelSpace
import Testing

@testable import Diffusion

/// Families for tests: those of the package, and ball-and-sticks composed.
enum TestFamily {
    static let tissue = BuiltInFamilies.family("tissue")!, gaussian = BuiltInFamilies.family("gaussian")!

    /// What `BallSticks` is, as a recipe.
    static let ballSticksRecipe = """
        name: composed
        shared: {d: log-uniform 1e-4 5e-3 in mm^2/s}
        components:
          ball:
            presence: always
            weight: rest
            signal: [{compartment: ball, when: [spread], spread: spread.s / d}, ball]
          stick:
            presence: up to 3
            weight: 0.05
            parameters: {mu: axis}
            fibre: mu
            signal: [{compartment: stick, when: [spread], spread: spread.s / d}, stick]
          spread: {parameters: {s: log-uniform 0.1 1 of d in mm^2/s}}
        """
    static let ballSticks = try! read(ballSticksRecipe)

    static func read(_ text: String) throws -> CompartmentFamily {
        CompartmentFamily(try FamilyReader.read(try SettingsTree(yaml: text), place: "family"))
    }

    /// One structure of each signal that a family has: enough for every variant of every component.
    static func signals(_ family: CompartmentFamily) -> [Structure] {
        var seen = Set<Structure>()
        return family.structureSpace.structures.map(family.rule.signal).filter { seen.insert($0).inserted }
    }
}

extension CompartmentFamily {
    func draw(_ z: Structure, _ design: Acquisition, using random: inout RandomSource) -> [Double] {
        var theta = [Double](repeating: .nan, count: layout.count)
        drawParameters(z, design, using: &random, into: &theta)
        return theta
    }

    func point(_ z: Structure, _ theta: [Double]) -> [Double] {
        let layout = signalLayout(z)
        var x = [Double](repeating: .nan, count: layout.count)
        layout.pack(theta, into: &x)
        return x
    }
}
