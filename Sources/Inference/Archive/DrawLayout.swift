import Diffusion
import ModelSpace

/// Which of a family's P numbers an archive keeps of a draw, and in which unit: those that the draw's structure has, in the order of θ.
///
/// Diffusivities are kept in 10⁻³ mm²/s, so that half precision has three digits of them. A draw without any fibre keeps the numbers of the first axis
/// that outputs would draw as one, all the same: the direction of a fibre that is not there (`DrawColumn`), or zeros.
public struct DrawLayout: Sendable {
    public let rule: StructureRule
    /// P names; `1e3*d` is a thousand times d.
    public let names: [String]
    /// By what a number is multiplied when it is stored.
    public let scales: [Double]
    private let theta: ThetaLayout
    private let passingAxis: [Int]
    /// Of a family of few structures, all of them.
    private var known: [Structure: (columns: [Int], parameterCount: Int)] = [:]

    /// P.
    public var count: Int { names.count }

    /// Whether its numbers are those of `DrawColumn`.
    let hasFibreColumns: Bool

    /// Rows of tables of structure probabilities, none when there are too many structures.
    let table: StructureTable

    private static let ballSticks = try! DrawLayout(making: BallSticks.family)

    /// - Errors: `FamilyDescriptionError`.
    init(_ family: FamilyDescription) throws {
        self = family == BallSticks.family ? Self.ballSticks : try DrawLayout(making: family)
    }

    private init(making family: FamilyDescription) throws {
        try family.check()
        rule = try StructureRule(family, mostStates: 20_000)
        let theta = ThetaLayout(family)
        self.theta = theta
        let scales = theta.entries.flatMap { entry in
            Array(repeating: entry.parameter.unit == "mm^2/s" ? 1e3 : 1, count: entry.parameter.width)
        }
        self.scales = scales
        hasFibreColumns = theta.names == ThetaLayout(BallSticks.family).names
        names = zip(theta.names, scales).map { $1 == 1 ? $0 : "1e3*" + $0 }
        passingAxis = family.groups.first { $0.fibreAxis != nil }.map { group in
            let first = theta.offset(of: group.fibreAxis!, in: group.name)!
            return Array(first..<first + 3)
        } ?? []
        table = StructureTable(rule)
        for row in table.rows { known[row.structure] = (find(row.structure), row.parameterCount) }
    }

    /// Places among the P of the numbers kept of a draw of an allowed structure, rising.
    public func columns(of z: Structure) -> [Int] { known[z]?.columns ?? find(z) }

    /// k(z) of an allowed structure.
    func parameterCount(_ z: Structure) -> Int { known[z]?.parameterCount ?? rule.parameterCount(z) }

    private func find(_ z: Structure) -> [Int] {
        let own = rule.places(of: z, in: theta)
        return rule.fibreCount(z) == 0 ? Set(own).union(passingAxis).sorted() : own
    }
}
