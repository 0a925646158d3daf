import CommandLineSupport
import Files
import Foundation
import Inference
import Reporting
import Volumes

/// What a fit would read, fit and write, and how long it would take: `--dry-run`.
///
/// The time is that of a sample of the voxels, fitted here and now with the same engine, options and threads.
struct FitPlan {
    private let fit: PreparedFit, command: Fit
    private let voxels: Int, sampled: Int, voxelsPerSecond: Double, bytesPerVoxel: Double

    /// - Throws: `Interrupted`, and what a fit throws.
    init(_ fit: PreparedFit, _ command: Fit) throws {
        (self.fit, self.command) = (fit, command)
        let part = command.running.shard.map { (index: $0.index, of: $0.of) } ?? (index: 0, of: 1)
        let range = FitEngine.voxels(ofPart: part, among: fit.series.count)
        voxels = range.count
        // Each thread gets a full block; then more, until the clock's and the start's share is small.
        var count = min(voxels, fit.options.threads * fit.recipe.voxelsAtOnce), seconds = 0.0, bytes = 0
        while count > 0 {
            (seconds, bytes) = try Self.measure(fit, command, count, among: range)
            if seconds > 1.5 || count == voxels { break }
            count = min(voxels, 4 * count)
        }
        (sampled, voxelsPerSecond) = (count, Double(count) / max(seconds, 1e-6))
        bytesPerVoxel = Double(bytes) / Double(max(1, count))
    }

    /// Seconds that evenly spread voxels take, and bytes of their posterior.
    private static func measure(
        _ fit: PreparedFit, _ command: Fit, _ count: Int, among range: Range<Int>
    ) throws -> (Double, Int) {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("prism-dmri-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        let m = fit.acquisition.count, series = fit.series
        let ranks = (0..<count).map { range.lowerBound + $0 * range.count / count }
        let noise = fit.known.map { _ in
            KnownNoise(IndependentNoise(fit.independent!.origin, values: ranks.map { fit.independent!.values[$0] }))
        }
        let fitter = fit.fitter, begin = ContinuousClock.now
        let isComplete = try Interrupt.polled {
            try fitter.run(
                voxels: ranks.map { fit.mask.indices[$0] },
                signals: ranks.flatMap { series.values[$0 * m..<($0 + 1) * m] }, noise: noise,
                deviation: fit.deviation?.selecting(ranks),
                metadata: fitter.metadata(grid: fit.geometry.spatialShape, voxelCount: count, notes: [:]),
                directory: folder.path, shouldStop: { Interrupt.requested })
        }
        guard isComplete else {
            throw Interrupted(out: command.out, keepsWork: false, again: .resume)
        }
        let seconds = ProgressLine.seconds(from: begin, to: .now)
        let files = try FileManager.default.contentsOfDirectory(
            at: folder, includingPropertiesForKeys: [.fileSizeKey])
        return (seconds, try files.reduce(0) { try $0 + ($1.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0) })
    }

    private var seconds: Double { voxelsPerSecond > 0 ? Double(voxels) / voxelsPerSecond : 0 }
    private var written: [String] {
        guard command.running.shard == nil else { return ["fit.json", "posterior-*.safetensors"] }
        let formats = command.output.choice.formats
        var names: [String] = []
        if formats.contains(.bids) { names += ["dwi", "colours"] }
        if formats.contains(.fsl) {
            names += [formats.contains(.fslLayout) ? "merged_*, dyads*, …" : "fsl.bedpostX", "dti"]
        }
        if formats.contains(.mrtrix) { names.append("mrtrix") }
        if formats.contains(.dipy) { names.append("dipy") }
        if formats.contains(.report) { names += ["report.html", "orientations.png", "residuals.safetensors"] }
        if (command.output.keep ?? .draws) != .none { names.append("posterior-*.safetensors") }
        return names + ["quality, misfit and noise maps", "fit.json"]
    }

    private var files: [(role: String, path: String)] {
        let table = command.input.tableFiles.sorted { $0.key < $1.key }.map { (role: $0.key, path: $0.value) }
        return [(role: "image", path: command.input.dwi)] + table
            + [
                ("mask", command.input.maskFile), ("gradient deviations", command.input.deviationFile),
                ("noise map", command.model.noiseMap),
                ("network", command.model.network),
            ]
            .compactMap { role, path in path.map { (role: role, path: $0) } }
    }

    private var engine: String {
        let model = command.model
        guard model.engine == .prism else { return model.engine.rawValue }
        return "prism, preset \((model.preset ?? .balanced).rawValue)"
    }

    func put(asJSON: Bool) throws {
        print(asJSON ? json.text : text, terminator: "")
    }

    private var text: String {
        let shape = fit.geometry.spatialShape.map(String.init).joined(separator: "×")
        let shells = fit.shells.map { "\($0.volumeCount) at b = \(Int($0.bValue))" }
        let part = command.running.shard.map { ", part \($0.index + 1) of \($0.of)" } ?? ""
        var lines = files.map { ("reads", "\($0.role): \($0.path)") }
        lines.append(
            (
                "image",
                "\(shape), \(fit.acquisition.count) volumes: "
                    + (["\(fit.acquisition.unweightedCount) unweighted"] + shells).joined(separator: ", ")
            ))
        lines.append(
            ("fits", "\(voxels) voxels\(part); \(fit.survey.unfitted) of the mask's \(fit.series.count) cannot be"))
        lines.append(
            (
                "model",
                "\(fit.family.family.name), engine \(engine), λ = \(fit.options.lambda), "
                    + "\(fit.options.samples) draws, seed \(fit.options.seed)"
            ))
        lines.append(
            (
                "time",
                String(
                    format: "about %@ of fitting: %.0f voxels/s in %d voxels tried, %d threads",
                    ProgressLine.duration(seconds) as NSString, voxelsPerSecond, sampled, fit.options.threads)
            ))
        lines.append(("writes", "\(command.out): " + written.joined(separator: ", ")))
        lines.append(("size", String(format: "about %.0f MB of posterior while it is fitted", bytes / 1e6)))
        return lines.map { $0.0.padding(toLength: 7, withPad: " ", startingAt: 0) + $0.1.printable() }
            .joined(separator: "\n") + "\n"
    }

    private var bytes: Double { bytesPerVoxel * Double(voxels) }

    private var json: JSONValue {
        .object([
            ("reads", .object(files.map { ($0.role, .string($0.path)) })),
            ("shape", .array(fit.geometry.spatialShape.map { .integer($0) })),
            ("volumes", .integer(fit.acquisition.count)), ("unweighted", .integer(fit.acquisition.unweightedCount)),
            ("shells", .array(fit.shells.map { ["b": .number($0.bValue), "volumes": .integer($0.volumeCount)] })),
            ("voxels", .integer(voxels)), ("maskVoxels", .integer(fit.series.count)),
            ("unfittable", .integer(fit.survey.unfitted)), ("family", .string(fit.family.family.name)),
            ("engine", .string(command.model.engine.rawValue)), ("lambda", .number(fit.options.lambda)),
            ("draws", .integer(fit.options.samples)), ("threads", .integer(fit.options.threads)),
            ("sampledVoxels", .integer(sampled)), ("voxelsPerSecond", .number(voxelsPerSecond)),
            ("fittingSeconds", .number(seconds)), ("posteriorBytes", .integer(Int(bytes))),
            ("out", .string(command.out)), ("writes", .array(written.map { .string($0) })),
            ("warnings", .array(fit.warnings.map { .string($0) })),
        ])
    }
}
