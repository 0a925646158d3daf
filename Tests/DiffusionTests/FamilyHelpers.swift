import Foundation
import ModelSpace
import TestFixtures
import Testing

@testable import Diffusion

/// Families for tests: those of the package, and ball-and-sticks composed.
enum TestFamily {
    static let tissue = named("tissue"), gaussian = BuiltInFamilies.family("gaussian")!,
        ballSticks = ComposedFamily.ballSticks

    /// A built-in family as scans have it that say nothing of their gradients' timing.
    static func named(_ name: String) -> CompartmentFamily {
        let family = BuiltInFamilies.family(name)!
        return family.untimed ?? family
    }

    /// One structure of each signal that a family has: enough for every variant of every component.
    static func signals(_ family: CompartmentFamily) -> [Structure] {
        var seen = Set<Structure>()
        return family.structureList!.structures.map(family.rule.signal).filter { seen.insert($0).inserted }
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
