import ArgumentParser
import Diffusion
import Foundation
import Inference
import Networks
import Reporting
import Tensors
import Volumes

struct Fit: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fit every voxel: model probabilities, parameter posteriors, fibre orientations.",
        discussion: """
            Writes to --out: fit.json (provenance), quality and misfit maps, dwi/ (model maps, BIDS names), fsl.bedpostX/ (for probtrackx2), mrtrix/ (peaks \
            and fixels), orientations.png, and posterior-*.safetensors (the draws themselves). Interrupted fits go on with --resume.
            """)

    enum Preset: String, ExpressibleByArgument, CaseIterable {
        case fast, balanced, exact

        func apply(to recipe: inout PrismRecipe) {
            switch self {
            case .fast:
                (recipe.solverSteps, recipe.correctionSweeps, recipe.threeStickSweeps) = (1, 2, 6)
                recipe.refinement = .fast
            case .balanced: break
            case .exact:
                (recipe.solverSteps, recipe.correctionSweeps, recipe.threeStickSweeps) = (5, 40, 40)
                recipe.starts = [1, 3, 8, 8]
                recipe.refinement = .exact
            }
        }
    }

    enum Engine: String, ExpressibleByArgument, CaseIterable { case prism, smc, mcmc }

    @OptionGroup var input: DiffusionInput
    @Option(help: "Folder to write.") var out: String
    @Option(help: "Parsimony: each free parameter costs λ nats; 0 to 3 (default: 0.5).") var lambda: Double?
    @Option(help: "Model family: ball-sticks.") var family: String = "ball-sticks"
    @Option(help: "What finds the posterior: \(Engine.allCases.map(\.rawValue).joined(separator: ", ")).") var engine: Engine = .prism
    @Option(help: "Trained network (default: the one built in).") var network: String?
    @Option(help: "Speed against accuracy of the draws: \(Preset.allCases.map(\.rawValue).joined(separator: ", ")) (default: balanced).") var preset: Preset?
    @Option(help: "Posterior draws a voxel (default: 50).") var samples: Int?
    @OptionGroup(title: "Options of --engine mcmc") var chain: ChainArguments
    @Option(help: "Map of the noise's standard deviation in the scan's units, to hold the fitted noise against (default: estimated from the scan).")
    var noiseMap: String?
    @Option(help: "Fit part I of N only, e.g. 1/4; 'merge' joins the parts' folders.") var shard: Part?
    @Option(help: "Worker threads (default: all cores).") var nthreads: Int = ProcessInfo.processInfo.activeProcessorCount
    @Option(help: "Seed of all random numbers.") var seed: UInt64 = 1
    @Flag(help: "Go on with an interrupted fit in --out.") var resume = false
    @Flag(help: "Replace a fit already in --out.") var force = false
    @Flag(help: "No progress on stderr; warnings remain.") var quiet = false

    func validate() throws {
        guard (0...10).contains(lambda ?? 0) else { throw ValidationError("--lambda must lie between 0 and 10.") }
        guard (1...10_000).contains(samples ?? 1) else { throw ValidationError("--samples must lie between 1 and 10000.") }
        guard (1...1024).contains(nthreads) else { throw ValidationError("--nthreads must lie between 1 and 1024.") }
        guard family == "ball-sticks" else { throw ValidationError("Unknown family '\(family)'; known: ball-sticks.") }
        if engine == .mcmc {
            if lambda != nil {
                throw ValidationError("--lambda has no meaning with --engine mcmc: its relevance prior (--weight) decides how readily fibres appear.")
            }
            if samples != nil { throw ValidationError("With --engine mcmc the number of draws is --jumps over --every, not --samples.") }
            if network != nil { throw ValidationError("--engine mcmc uses no network; leave out --network.") }
            if preset != nil { throw ValidationError("--preset belongs to --engine prism; mcmc has --burnin, --jumps and --every.") }
        } else if let option = chain.given {
            throw ValidationError("\(option) belongs to --engine mcmc.")
        }
        if engine == .smc, network != nil || preset != nil { throw ValidationError("--network and --preset belong to --engine prism; smc is exact without them.") }
        if resume && force { throw ValidationError("--resume and --force exclude each other.") }
    }

    func run() throws {
        Blas.prepare()
        let started = Date(), clock = ContinuousClock(), begin = clock.now
        var warnings: [String] = [], timings: [String: Double] = [:]
        func warn(_ text: String) {
            warnings.append(text)
            Progress.note("warning: " + text)
        }
        func seconds(since moment: ContinuousClock.Instant) -> Double { Double((clock.now - moment) / .milliseconds(1)) / 1000 }

        let (geometry, acquisition) = try input.open()
        var options = FitOptions()
        options.lambda = engine == .mcmc ? 0 : lambda ?? options.lambda
        options.samples = engine == .mcmc ? chain.options.drawCount : samples ?? options.samples
        options.seed = seed
        options.threads = nthreads
        let recipe: any EngineRecipe
        var isInTrainingRange: Bool?
        switch engine {
        case .prism:
            let violations = ProtocolMixture().rangeViolations(of: acquisition)
            isInTrainingRange = violations.isEmpty
            for violation in violations { warn("Outside the range the network was trained on: " + violation) }
            let file = try network.map(NetworkFile.init(path:)) ?? NetworkFile.standard()
            var prism = try PrismRecipe(file: file, path: network ?? "the default network", acquisition: acquisition, options: options)
            (preset ?? .balanced).apply(to: &prism)
            recipe = prism
        case .smc:
            recipe = SmcRecipe(acquisition: acquisition, options: options)
        case .mcmc:
            recipe = McmcRecipe(acquisition: acquisition, chain: chain.options, options: options)
        }
        let fitter = FitEngine(recipe: recipe, acquisition: acquisition, options: options)
        let mask = try input.openMask(geometry, acquisition, warn: warn)
        var noise = try noiseMap.map { try NoiseMap.read($0, mask: mask, of: input.dwi, warn: warn) }
        try FitDirectory(path: out).check(force: force, resume: resume)

        let reading = clock.now
        let bar = Progress("reading", unit: "volumes", total: acquisition.count, quiet: quiet)
        let series = try MaskedSeries(path: input.dwi, mask: mask) { read, _ in bar.update(read) }
        timings["reading"] = seconds(since: reading)
        try FitDirectory(path: out).prepare(force: force, resume: resume)

        Interrupt.catchSignals()
        if noise == nil, (shard?.index ?? 0) == 0 {
            let estimating = clock.now
            noise = IndependentNoise.estimate(
                voxels: mask.indices, grid: geometry.spatialShape, signals: series.values, acquisition: acquisition, threads: nthreads,
                shouldStop: { Interrupt.requested })
            timings["noise"] = seconds(since: estimating)
        }
        let fitting = clock.now
        let notes = ["dwi_digest": Self.digest(series.values, acquisition)]
        let metadata = fitter.metadata(grid: geometry.spatialShape, voxelCount: series.count, notes: notes)
        if engine != .mcmc, let warning = LambdaRange.warning(options.lambda) { warn(warning) }
        let part = (index: shard?.index ?? 0, of: shard?.of ?? 1)
        let fitBar = Progress("fitting", unit: "voxels", total: fitter.voxelCount(part: part, of: metadata), quiet: quiet)
        let isComplete = try fitter.run(
            voxels: mask.indices, signals: series.values, metadata: metadata, directory: out, part: part, progress: { fitBar.update($0) },
            shouldStop: { Interrupt.requested })
        guard isComplete else { throw Interrupted(out: out) }
        timings["fitting"] = seconds(since: fitting)

        let iso = ISO8601DateFormatter()
        var inputs = input.tableFiles
        inputs["dwi"] = input.dwi
        inputs["mask"] = input.mask
        inputs["noise_map"] = noiseMap
        var provenance = FitProvenance(
            version: PrismDMRI.configuration.version, commandLine: CommandLine.arguments, startedAt: iso.string(from: started), engine: engine.rawValue,
            family: family, lambda: options.lambda, drawLambda: options.lambda, seed: seed, drawsPerVoxel: options.samples, networkName: recipe.networkName,
            networkSHA256: recipe.networkSHA256, inputs: inputs, sources: [input.dwi], sourceStem: input.stem,
            acquisition: Self.describe(acquisition, inRange: isInTrainingRange), threads: nthreads)
        provenance.timings = timings
        provenance.warnings = warnings
        provenance.noiseOrigin = noise?.origin
        provenance.residuals = try ShellResiduals(
            PosteriorArchive.shards(in: out), lambda: options.lambda, signals: series.values, acquisition: acquisition, threads: nthreads)
        if shard != nil {
            provenance.grid = geometry.spatialShape
            provenance.affine = geometry.affine.elements
            // Every part has the whole scan; one of them keeps what it says of the noise.
            if let noise, part.index == 0 { try FitOutputs.writeNoise(noise, mask: mask, directory: out) }
            try provenance.write(to: out + "/fit.json")
            if !quiet { Progress.note("part \(part.index + 1) of \(part.of) is in \(out); 'prism-dmri merge' joins the parts and writes the maps") }
            return
        }
        let result = try FitOutputs.write(
            archive: PosteriorArchive(directory: out), lambda: options.lambda, geometry: geometry, directory: out, provenance: provenance,
            formats: .standard.union(.dipy), noise: noise, threads: nthreads)
        for warning in result.provenance.warnings where !warnings.contains(warning) { Progress.note("warning: " + warning) }
        if !quiet { Self.report(result.provenance, out: out, total: seconds(since: begin), fitting: timings["fitting"]!) }
    }

    /// Ties the shards of a fit to its data, so that --resume cannot mix two images.
    private static func digest(_ values: [Float], _ acquisition: Acquisition) -> String {
        var data = values.withUnsafeBytes { Data($0) }
        let table = zip(acquisition.bValues, acquisition.directions).flatMap { b, g in [b, g.x, g.y, g.z] }
        table.withUnsafeBytes { data.append(contentsOf: $0) }
        return NetworkFile.digest(data)
    }

    private static func describe(_ acquisition: Acquisition, inRange: Bool?) -> FitProvenance.Acquisition {
        var counts: [Int: Int] = [:]
        for i in 0..<acquisition.count where !acquisition.isUnweighted(i) { counts[Int((acquisition.bValues[i] / 100).rounded()) * 100, default: 0] += 1 }
        return FitProvenance.Acquisition(
            volumeCount: acquisition.count, baselineCount: acquisition.unweightedCount,
            shells: counts.sorted { $0.key < $1.key }.map { .init(bValue: Double($0.key), volumeCount: $0.value) }, isInTrainingRange: inRange)
    }

    private static func report(_ p: FitProvenance, out: String, total: Double, fitting: Double) {
        Progress.note(String(
            format: "%d of %d voxels fitted in %.1f s (%.0f voxels/s on %d threads), %.1f s in all, peak memory %.0f MiB", p.counts.fitted,
            p.counts.voxels, fitting, Double(p.counts.voxels) / max(fitting, 1e-3), p.threads, total, Double(p.peakMemoryBytes) / 1_048_576))
        Progress.note("written: \(out)")
    }
}

/// Part I of N of a fit's shards, I from 1.
struct Part: ExpressibleByArgument {
    let index: Int, of: Int

    init?(argument: String) {
        let words = argument.split(separator: "/", omittingEmptySubsequences: false)
        guard words.count == 2, let i = Int(words[0]), let n = Int(words[1]), (1...10_000).contains(n), (1...n).contains(i) else { return nil }
        (index, of) = (i - 1, n)
    }
}

/// A fit stopped by the user.
struct Interrupted: CommandFailure {
    let out: String
    var exitStatus: ExitStatus { .interrupted }
    var description: String { "Stopped; what is finished is kept in \(out). Give the same command with --resume to go on." }
}

/// The folder a fit is written to: empty, or cleared of an earlier fit when asked.
struct FitDirectory {
    let path: String

    /// Whether the folder may be written; nothing is touched yet, so that bad data leave no trace.
    func check(force: Bool, resume: Bool) throws {
        let manager = FileManager.default
        var isFolder: ObjCBool = false
        if manager.fileExists(atPath: path, isDirectory: &isFolder) {
            guard isFolder.boolValue else { throw OutputError.notAFolder(path: path) }
            if try !manager.contentsOfDirectory(atPath: path).isEmpty && !force && !resume { throw OutputError.exists(path: path) }
            guard manager.isWritableFile(atPath: path) else { throw OutputError.cannotCreate(path: path, reason: "it is not writable") }
            return
        }
        var parent = URL(fileURLWithPath: path).deletingLastPathComponent()
        while !manager.fileExists(atPath: parent.path), parent.path != "/" { parent.deleteLastPathComponent() }
        guard manager.isWritableFile(atPath: parent.path) else { throw OutputError.cannotCreate(path: path, reason: "\(parent.path) is not writable") }
    }

    /// Creates the folder, or with `force` clears it of an earlier fit.
    func prepare(force: Bool, resume: Bool) throws {
        try check(force: force, resume: resume)
        let manager = FileManager.default
        do { try manager.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
            throw OutputError.cannotCreate(path: path, reason: error.localizedDescription)
        }
        guard force else { return }
        for name in try manager.contentsOfDirectory(atPath: path) where Self.isOurs(name) { try? manager.removeItem(atPath: path + "/" + name) }
    }

    /// Only what a fit writes is ever removed.
    private static func isOurs(_ name: String) -> Bool {
        ["fit.json", "quality.nii.gz", "quality.json", "misfit.nii.gz", "noise.nii.gz", "noise.json", "noise_estimate.nii.gz", "noise_estimate.json", "noise_ratio.nii.gz", "noise_ratio.json", "dwi", "fsl.bedpostX", "mrtrix", "dipy", "maps", "export", "orientations.png", "report.html", "dataset_description.json"]
            .contains(name) || (name.hasPrefix("posterior-") && name.hasSuffix(".safetensors"))
    }
}

/// What can be wrong with a place to write to.
enum OutputError: CommandFailure {
    case exists(path: String)
    case notAFolder(path: String)
    case cannotCreate(path: String, reason: String)

    var exitStatus: ExitStatus { .cannotCreate }

    var description: String {
        switch self {
        case .exists(let path): "\(path) exists already and is not empty; choose another --out, or give --force to replace it or --resume to go on with it."
        case .notAFolder(let path): "\(path) is a file; --out must name a folder."
        case .cannotCreate(let path, let reason): "The folder \(path) cannot be written: \(reason)."
        }
    }
}
