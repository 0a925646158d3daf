import Diffusion

/// What `OrientationTest` found, for `fit.json`.
public struct DirectionCheck: Codable, Equatable, Sendable {
    public var verdict: OrientationTest.Verdict
    /// Standard errors: of the table as it is over the hardest to tell from it, or of the best over the table as it is.
    public var margin: Double
    /// The table's components that fit best, in terms of those given: `x,y,z` when it is right.
    public var best: String
    /// Voxels with fibres.
    public var voxels: Int

    public init(_ test: OrientationTest) {
        verdict = test.verdict
        margin = test.margin
        best = test.best.change.formula
        voxels = test.voxels
    }
}
