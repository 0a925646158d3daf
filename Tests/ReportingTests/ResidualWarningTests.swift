import Foundation
import Inference
import Testing

@testable import Reporting

/// What a fit says of the residuals that it leaves over by shell.
@Suite struct ResidualWarningTests {
    /// Residuals along and across by shell, of 80 voxels with one fibre.
    private static func residuals(_ shells: [(b: Int, along: Double, across: Double)]) throws -> ShellResiduals {
        func group(_ voxels: Int) -> String {
            let list = shells.map {
                """
                {"bValue": \($0.b), "along": {"residual": \($0.along), "measurements": 900},
                 "across": {"residual": \($0.across), "measurements": 900}}
                """
            }
            return "{\"voxels\": \(voxels), \"shells\": [\(list.joined(separator: ","))]}"
        }
        let text = "{\"lambda\": 0.5, \"anyFibre\": \(group(400)), \"oneFibre\": \(group(80))}"
        return try JSONDecoder().decode(ShellResiduals.self, from: Data(text.utf8))
    }

    private static func warning(
        _ shells: [(b: Int, along: Double, across: Double)], family: String = "ball-sticks"
    ) throws -> String? {
        ReportResiduals.warning(try residuals(shells), family: family)
    }

    @Test func smallResidualsAreNotMentioned() throws {
        #expect(try Self.warning([(1000, -0.29, 0.29), (2000, 0.1, 0)]) == nil)
        #expect(try Self.warning([]) == nil)
    }

    /// The worst shell is named with its voxels; the family that has such a space only where shells tell it from
    /// others and the fit's own has none.
    @Test func anExtraAxonalSpaceNamesItsRemedy() throws {
        let text = try #require(try Self.warning([(1000, -0.61, 0.83), (2000, 0.25, -0.27)]))
        for word in ["80 voxels", "−0.61 σ along", "+0.83 σ across", "b = 1000", "third fibres", "--family tissue"] {
            #expect(text.contains(word), "\(word): \(text)")
        }
        #expect(!text.contains("\n"))
        let single = try #require(try Self.warning([(1000, -0.61, 0.83)]))
        #expect(single.contains("extra-axonal") && !single.contains("--family"))
        let tissue = try #require(try Self.warning([(1000, -0.61, 0.83), (2000, 0, 0)], family: "tissue"))
        #expect(!tissue.contains("--family"))
    }

    @Test func otherMisfitPointsToItsMap() throws {
        let text = try #require(try Self.warning([(1000, 0.4, -0.1), (3000, 0.1, 0)]))
        #expect(text.contains("misfit.nii.gz") && !text.contains("extra-axonal"))
    }
}
