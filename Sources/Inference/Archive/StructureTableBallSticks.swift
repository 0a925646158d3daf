import Diffusion
import ModelSpace

extension StructureTable {
    /// The structures of the ball-and-sticks family.
    package static let ballSticks = StructureTable(StructureRule(BallSticks.family))
}
