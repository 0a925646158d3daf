import Foundation
import ModelSpace
import Testing

@testable import Diffusion

/// Which scans count as having several shells, by which the default family is chosen.
@Suite struct SeveralShellsTests {
    /// Volumes at some b, in random directions, after four at b = 0.
    private static func acquisition(_ shells: [(b: Double, volumes: Int)]) throws -> Acquisition {
        var random = RandomSource(seed: 3), b = [0.0, 0, 0, 0], g = [SIMD3<Double>](repeating: .zero, count: 4)
        for shell in shells {
            for _ in 0..<shell.volumes {
                let v = SIMD3(random.normal(), random.normal(), random.normal())
                b.append(shell.b)
                g.append(v / (v * v).sum().squareRoot())
            }
        }
        return try Acquisition(bValues: b, directions: g)
    }

    private static let cases: [(shells: [(b: Double, volumes: Int)], areSeveral: Bool)] = [
        ([(1000, 64)], false), ([(1000, 30), (2000, 60)], true), ([(700, 6), (1000, 6)], true),
        ([(1000, 30), (1300, 30)], false), ([(1000, 5), (2000, 60)], false), ([(1000, 60), (2000, 5)], false),
        ([(50, 12), (1000, 30)], false), ([(300, 12), (800, 30), (2500, 60)], true),
        // A grid: no two volumes need be alike.
        ((1...40).map { (100 * Double($0), 1) }, true),
    ]

    @Test("Six volumes of 1.4 times the b of six others, those below 400 s/mm² left out") func rule() throws {
        for (shells, areSeveral) in Self.cases {
            #expect(try Self.acquisition(shells).statistics.hasSeveralShells == areSeveral, "\(shells)")
        }
    }
}
