import Diffusion

extension StructureTable {
    /// The structures of the ball-and-sticks family.
    package static let ballSticks: StructureTable = {
        let space = BallSticks().structureSpace
        return StructureTable(rows: zip(space.structures, space.parameterCounts).map { z, k in
            let n = BallSticks.stickCount(z), spread = BallSticks.hasSpread(z), rician = BallSticks.isRician(z)
            let name = "ball" + (n == 0 ? "" : "+\(n)stick\(n > 1 ? "s" : "")") + (spread ? "+spread" : "") + (rician ? ",rician" : ",gaussian")
            return Row(name: name, parameterCount: k, fibreCount: n, hasSpread: spread, isRician: rician)
        })
    }()
}
