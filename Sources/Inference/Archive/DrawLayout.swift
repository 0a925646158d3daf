import Diffusion
import ModelSpace

/// Which of a family's P numbers an archive keeps of a draw, and in which unit: those that the draw's structure has, in
/// the order of θ.
///
/// Diffusivities are kept in 10⁻³ mm²/s, so that half precision has three digits of them. A draw without any fibre
/// keeps the numbers of the first axis that outputs would draw as one, all the same: the direction of a fibre that is
/// not there (`DrawColumn`), or zeros.
public struct DrawLayout: Sendable {
    public let rule: StructureRule
    /// P names; `1e3*d` is a thousand times d.
    public let names: [String]
    /// By what a number is multiplied when it is stored.
    public let scales: [Double]
    private let theta: ThetaLayout
    /// Of a family of few structures, all of them.
    private var known: [Structure: (columns: [Int], parameterCount: Int, fibreCount: Int)] = [:]

    /// P.
    public var count: Int { names.count }

    /// Its draws as those of any family that has fibres to draw.
    package let fibres: FibreColumns

    /// What maps show of the family beside fibres.
    package let quantities: FamilyQuantities

    /// Rows of tables of structure probabilities, none when there are too many structures.
    let table: StructureTable

    private static let ballSticks = try! DrawLayout(making: BallSticks.family)

    /// - Parameters:
    ///   - composition: the family's compartments, if known; and the pulses' timing: what maps of diffusion need.
    /// - Errors: `FamilyDescriptionError`.
    package init(
        _ family: FamilyDescription, words: FamilyWords = .none, composition: FamilyComposition? = nil,
        timing: PulseTiming? = nil
    ) throws {
        self =
            family == BallSticks.family ? Self.ballSticks : try DrawLayout(making: family, words, composition, timing)
    }

    private init(
        making family: FamilyDescription, _ words: FamilyWords = .none, _ composition: FamilyComposition? = nil,
        _ timing: PulseTiming? = nil
    ) throws {
        try family.check()
        rule = try StructureRule(family, mostStates: 20_000)
        let theta = ThetaLayout(family)
        self.theta = theta
        let scales = theta.entries.flatMap { entry in
            Array(repeating: entry.parameter.unit == "mm^2/s" ? 1e3 : 1, count: entry.parameter.width)
        }
        self.scales = scales
        fibres = FibreColumns(family, theta, isIdentity: theta.names == ThetaLayout(BallSticks.family).names)
        names = zip(theta.names, scales).map { $1 == 1 ? $0 : "1e3*" + $0 }
        table = StructureTable(rule)
        quantities = try FamilyQuantities(
            family, rule, theta, scales, words: words, composition: composition, timing: timing,
            isFibresAlone: fibres.isIdentity)
        for row in table.rows { known[row.structure] = (find(row.structure), row.parameterCount, row.fibreCount) }
    }

    /// Places among the P of the numbers kept of a draw of an allowed structure, rising.
    public func columns(of z: Structure) -> [Int] { known[z]?.columns ?? find(z) }

    /// k(z) of an allowed structure.
    func parameterCount(_ z: Structure) -> Int { known[z]?.parameterCount ?? rule.parameterCount(z) }

    /// Number of fibres of an allowed structure, as many as outputs draw.
    func fibreCount(_ z: Structure) -> Int {
        known[z]?.fibreCount ?? min(rule.fibreCount(z), DrawColumn.fibreCount)
    }

    private func find(_ z: Structure) -> [Int] {
        let own = rule.places(of: z, in: theta)
        guard rule.fibreCount(z) == 0, let first = fibres.axes.first else { return own }
        return Set(own).union(first..<first + 3).sorted()
    }
}
