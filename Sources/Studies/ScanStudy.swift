import Diffusion
import Inference
import ModelSpace

/// Agreement of two engines on voxels of a scan.
public struct ScanStudy: Sendable {
    private static let choiceStream: UInt64 = 0x4348_4F49

    /// Where set, structures are held against smc one by one, and the reference is not asked.
    public var evidenceCheck: EvidenceCheck.Options?

    public init() {}

    /// `count` of `total` places, at random, ascending; all of them when there are no more.
    public static func choose(_ count: Int, of total: Int, seed: UInt64) -> [Int] {
        var random = RandomSource(seed: seed, stream: 0, substream: choiceStream), left = count, chosen: [Int] = []
        // Selection sampling: each place in turn with probability (still wanted) / (still to come).
        for i in 0..<total where random.uniform() * Double(total - i) < Double(left) {
            chosen.append(i)
            left -= 1
        }
        return chosen
    }

    /// Fits voxels with both engines and compares.
    ///
    /// - Parameters:
    ///   - voxels: image indices, which name random streams as in a fit, and `signals` their raw values, V × M.
    ///   - statement: what the reference is, where it is less than an exact engine.
    /// - Returns: nil when stopped, or when no voxel can be fitted.
    public func run(
        voxels: [Int], signals: [Float], acquisition: Acquisition, options: FitOptions, engine: EngineMaker,
        reference: @escaping EngineMaker,
        statement: String? = nil, progress: @escaping @Sendable (StudyPhase, Int) -> Void = { _, _ in },
        shouldStop: @escaping @Sendable () -> Bool = { false }
    ) throws -> ScanReport? {
        let m = acquisition.count
        precondition(signals.count == voxels.count * m)
        guard !shouldStop() else { return nil }
        let recipe = try engine(acquisition, options),
            engines = GroupEngines(recipe, acquisition, shouldStop: shouldStop)
        var cases: [ReferenceCase] = []
        for start in stride(from: 0, to: voxels.count, by: SimulationStudy.largestBlock) {
            if shouldStop() { return nil }
            let part = start..<min(start + SimulationStudy.largestBlock, voxels.count)
            let groups = signals.withUnsafeBufferPointer {
                VoxelGroup.gather(
                    UnsafeBufferPointer(rebasing: $0[part.lowerBound * m..<part.upperBound * m]), acquisition,
                    options.rules
                ) { _, _ in }
            }
            for group in groups {
                guard let fitting = engines.part(group.kept) else { continue }
                let keys = group.members.map { UInt64(voxels[start + $0]) }, count = fitting.acquisition.count
                let answers = fitting.engine.posteriors(group.y, count: keys.count, keys: keys)
                guard answers.count == keys.count else { return nil }
                for (i, answer) in answers.enumerated() {
                    cases.append(
                        ReferenceCase(
                            acquisition: fitting.acquisition, y: Array(group.y[i * count..<(i + 1) * count]),
                            posterior: answer, key: keys[i], truth: nil,
                            voxel: Int(keys[i])))
                }
            }
            progress(.fitting, cases.count)
        }
        guard !cases.isEmpty else { return nil }
        cases.sort { $0.key < $1.key }
        let family = StudyFamily(recipe.diffusionFamily)
        var report = ScanReport(
            family: recipe.composedName, engine: recipe.name, networkName: recipe.networkName,
            networkSHA256: recipe.networkSHA256, notes: recipe.notes, voxels: cases.count,
            notFitted: voxels.count - cases.count, volumes: m, lambda: options.lambda, seed: options.seed,
            structureNames: (family.structures ?? []).map(family.name))
        if let evidenceCheck {
            report.evidence = try EvidenceCheck.run(
                cases, evidenceCheck, family: family, options: options, engine: recipe.name, progress: progress,
                shouldStop: shouldStop)
            return report.evidence == nil ? nil : report
        }
        let study = ReferenceStudy(family: family, options: options, reference: reference, statement: statement)
        report.agreement = try study.run(cases, engine: recipe.name, progress: progress, shouldStop: shouldStop)
        return report.agreement == nil ? nil : report
    }
}

/// The outcome of a `ScanStudy`.
public struct ScanReport: Codable, Sendable {
    public var kind = "scan"
    /// The family, where a recipe composes it.
    public var family: String?
    public var engine: String, networkName: String, networkSHA256: String, notes: [String: String]
    /// Voxels compared, and chosen ones that could not be fitted.
    public var voxels: Int, notFitted: Int
    public var volumes: Int
    public var lambda: Double, seed: UInt64
    public var structureNames: [String]
    public var agreement: EngineAgreement?
    /// Where single structures are held against smc instead.
    public var evidence: EvidenceCheck?
}
