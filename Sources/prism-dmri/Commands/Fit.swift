import ArgumentParser
import Chain
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
            Writes to --out: fit.json (provenance), quality and misfit maps, dwi/ (model maps, BIDS names), \
            fsl.bedpostX/ (for probtrackx2), mrtrix/ (peaks, fixels, fod.mif.gz for iFOD2), dipy/, orientations.png, \
            report.html, and posterior-*.safetensors (the draws themselves); --write and --keep choose among them. \
            Interrupted fits go on with --resume.
            """)

    enum Engine: String, ExpressibleByArgument, CaseIterable { case prism, smc, mcmc }

    @OptionGroup var input: DiffusionInput
    @Option(name: .customLong("out"), help: "Folder to write (with --fsl-layout: SUBJECT.bedpostX by default).")
    var folder: String?
    @Option(help: "Parsimony: each free parameter costs λ nats; 0 to 3 (default: 0.5).") var lambda: Double?
    @Option(help: FamilyChoice.help) var family: String?
    @Option(help: "What finds the posterior: \(Engine.allCases.map(\.rawValue).joined(separator: ", ")).") var engine:
        Engine = .prism
    @Option(help: "Trained network (default: the one built in).") var network: String?
    @Option(help: NoiseChoice.help) var noise: NoiseChoice = .auto
    @Option(
        help:
            """
            Speed against accuracy of the draws: \(PrismPreset.allCases.map(\.rawValue).joined(separator: ", ")) \
            (default: balanced).
            """
    ) var preset: PrismPreset?
    @Option(help: "Posterior draws a voxel (default: 50).") var samples: Int?
    @OptionGroup(title: "Options of --engine mcmc") var chain: ChainArguments
    @Option(
        help:
            """
            Map of the noise's standard deviation in the scan's units, to hold the fitted noise against (default: \
            estimated from the scan).
            """
    )
    var noiseMap: String?
    @Flag(help: KnownNoise.help) var knownNoise = false
    @Option(help: "Fit part I of N only, e.g. 1/4; 'merge' joins the parts' folders.") var shard: Part?
    @OptionGroup var output: OutputChoice
    @Option(help: KeptPosterior.help) var keep: KeptPosterior?
    @Option(help: "Worker threads (default: all cores).") var nthreads: Int = ProcessInfo.processInfo
        .activeProcessorCount
    @Option(help: "Seed of all random numbers.") var seed: UInt64 = 1
    @Flag(help: "Go on with an interrupted fit in --out.") var resume = false
    @Flag(help: "Replace a fit already in --out.") var force = false
    @Flag(help: "No progress on stderr; warnings remain.") var quiet = false

    /// bedpostX's place is beside the subject's folder, that of the image.
    private var out: String { folder ?? input.subjectFolder + ".bedpostX" }

    func validate() throws {
        if folder == nil && !output.fslLayout { throw ValidationError("Missing expected argument '--out <out>'") }
        if shard != nil, output.isGiven || keep != nil {
            throw ValidationError(
                "--write, --keep and --fsl-layout belong to 'merge', which writes the files of a fit in parts.")
        }
        guard (0...10).contains(lambda ?? 0) else { throw ValidationError("--lambda must lie between 0 and 10.") }
        guard (1...10_000).contains(samples ?? 1) else {
            throw ValidationError("--samples must lie between 1 and 10000.")
        }
        guard (1...1024).contains(nthreads) else { throw ValidationError("--nthreads must lie between 1 and 1024.") }
        if engine == .mcmc {
            if lambda != nil {
                throw ValidationError(
                    """
                    --lambda has no meaning with --engine mcmc: its relevance prior (--weight) decides how readily \
                    fibres appear.
                    """
                )
            }
            if samples != nil {
                throw ValidationError("With --engine mcmc the number of draws is --jumps over --every, not --samples.")
            }
            if network != nil { throw ValidationError("--engine mcmc uses no network; leave out --network.") }
            if noise == .either { throw ValidationError("--engine mcmc knows Gaussian noise only.") }
            if knownNoise { throw ValidationError(ChainArguments.noKnownNoise) }
            if preset != nil {
                throw ValidationError("--preset belongs to --engine prism; mcmc has --burnin, --jumps and --every.")
            }
        } else if let option = chain.given {
            throw ValidationError("\(option) belongs to --engine mcmc.")
        }
        if engine == .smc, network != nil || preset != nil {
            throw ValidationError("--network and --preset belong to --engine prism; smc is exact without them.")
        }
        if resume && force { throw ValidationError("--resume and --force exclude each other.") }
    }

    func run() throws {
        let read =
            input.allFiles
            + [network, family.flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }].compactMap { $0 }
        let target = try OutputFolder(
            out, kind: .fit, mode: resume ? .resume : force ? .force : .fresh, canResume: true, inputs: read)
        if resume, !target.holdsWorkBeside, let kept = try? FitProvenance(path: out + "/fit.json").kept {
            throw NothingToResume(out: out, kept: kept)
        }
        func stopped() -> Interrupted { Interrupted(out: out, keepsWork: target.keepsWork, wasForced: force) }
        Interrupt.whenStopped(say: { stopped().description }, cleanUp: { target.abandon() })
        do { try run(target) } catch {
            target.abandon()
            if error is Interrupted { throw stopped() }
            let isFull = target.keepsWork && Failure.describe(error).status == .io
            throw isFull ? WorkKept(cause: target.named(error), out: out, wasForced: force) : target.named(error)
        }
    }

    private func run(_ target: OutputFolder) throws {
        Blas.prepare()
        let started = Date(), clock = ContinuousClock(), begin = clock.now
        var warnings: [String] = [], timings: [String: Double] = [:]
        func warn(_ text: String) {
            warnings.append(text)
            Progress.note("warning: " + text)
        }
        func seconds(since moment: ContinuousClock.Instant) -> Double {
            Double((clock.now - moment) / .milliseconds(1)) / 1000
        }

        let given = try network.map(NetworkFile.init(path:)),
            wanted = try FamilyChoice(family, network: given.map { ($0, network!) })
        try wanted.refuse(engine: engine == .prism ? nil : engine.rawValue, preset: preset)
        let (geometry, acquisition) = try input.open(warn: warn)
        let chosen = try wanted.suited(to: acquisition, warn: warn)
        var options = FitOptions()
        options.lambda = engine == .mcmc ? 0 : lambda ?? options.lambda
        options.samples = engine == .mcmc ? chain.options.drawCount : samples ?? options.samples
        options.seed = seed
        options.threads = nthreads
        var recipe = try makeRecipe(chosen, given, acquisition, options)
        // What no network was trained for, none has a range for.
        let file = engine != .prism ? nil : try given ?? (chosen.isBallSticks ? NetworkFile.standard() : nil)
        let isInTrainingRange = file?.covers(acquisition, warn: warn)
        let trained = file == nil ? nil : chosen.family.simulatedRange(of: acquisition)
        let mask = try input.openMask(geometry, acquisition, warn: warn)
        var independent = try noiseMap.map { try NoiseMap.read($0, mask: mask, of: input.dwi, warn: warn) }

        let reading = clock.now
        let bar = Progress("reading", unit: "volumes", total: acquisition.count, quiet: quiet)
        let series = try MaskedSeries(path: input.dwi, mask: mask) { read, _ in bar.update(read) }
        timings["reading"] = seconds(since: reading)
        let kindSurvey = SignalSurvey(series.values, measurements: series.measurements, areIntegers: series.areIntegers)
        let kinds = noise.kinds(kindSurvey)
        options.rules = kindSurvey.rules(trained: trained)
        func estimateNoise() {
            let estimating = clock.now
            independent = IndependentNoise.estimate(
                voxels: mask.indices, grid: geometry.spatialShape, signals: series.values, acquisition: acquisition,
                threads: nthreads,
                shouldStop: { Interrupt.requested })
            timings["noise"] = seconds(since: estimating)
        }
        if knownNoise && independent == nil {
            estimateNoise()
            if Interrupt.requested { throw Interrupted(out: out, keepsWork: target.keepsWork, wasForced: force) }
        }
        let known = knownNoise ? independent.map(KnownNoise.init) : nil
        if knownNoise && known == nil { throw NoNoiseToKnow.noEstimate(path: input.dwi) }
        let survey = FitSurvey(series.values, acquisition, options.rules, noise: known)
        guard survey.unfitted < survey.voxels else { throw NoVoxelFitted(survey: survey) }
        let knownCount = survey.voxels - survey.unfitted - survey.withoutNoise
        if let known, knownCount == 0 { throw NoNoiseToKnow.noVoxel(noiseMap ?? known.source.rawValue) }
        for text in kindSurvey.warnings(noise: engine == .mcmc ? .gaussian : kinds) { warn(text) }
        if survey.unfitted > 0 {
            warn(
                """
                \(survey.unfitted) of \(survey.voxels) voxels cannot be fitted (\(survey.explanation)): they are 0 in \
                every map, and marked in quality.nii.gz.
                """
            )
        }
        if survey.withoutNoise > 0 {
            warn(
                """
                \(survey.withoutNoise) of \(survey.voxels) voxels have no usable value of the noise (none above 0, or \
                an SNR that no image has): they are fitted as without --known-noise.
                """)
        }
        let directions = try input.testDirections(series, acquisition, threads: nthreads)
        if let warning = directions.warning { warn(warning) }
        if kinds != .either { recipe = recipe.adapted(to: acquisition, noise: kinds) }
        let fitter = FitEngine(recipe: recipe, acquisition: acquisition, options: options)
        try target.begin()
        if let doubt = directions.doubt, !quiet { Progress.note("note: " + doubt) }

        if independent == nil, (shard?.index ?? 0) == 0 { estimateNoise() }
        let fitting = clock.now
        let notes = ["dwi_digest": Self.digest(series.values, acquisition)].merging(known?.notes ?? [:]) { $1 }
            .merging(chosen.family.needsTiming ? ["timing": acquisition.timingNote ?? ""] : [:]) { $1 }
        let metadata = fitter.metadata(grid: geometry.spatialShape, voxelCount: series.count, notes: notes)
        if engine != .mcmc, let warning = LambdaRange.warning(options.lambda) { warn(warning) }
        let part = (index: shard?.index ?? 0, of: shard?.of ?? 1)
        let fitBar = Progress(
            "fitting", unit: "voxels", total: FitEngine.voxels(ofPart: part, among: series.count).count, quiet: quiet)
        let isComplete = try Interrupt.polled {
            try fitter.run(
                voxels: mask.indices, signals: series.values, noise: known, metadata: metadata, directory: target.work,
                part: part, progress: { fitBar.update($0) },
                shouldStop: { Interrupt.requested })
        }
        guard isComplete else { throw Interrupted(out: out, keepsWork: true, wasForced: force) }
        timings["fitting"] = seconds(since: fitting)

        let iso = ISO8601DateFormatter()
        var inputs = input.tableFiles
        inputs["dwi"] = input.dwi
        inputs["mask"] = input.maskFile
        inputs["noise_map"] = noiseMap
        var provenance = FitProvenance(
            version: PrismDMRI.configuration.version, commandLine: CommandLine.arguments,
            startedAt: iso.string(from: started), engine: engine.rawValue,
            family: chosen.family.name, lambda: options.lambda, drawLambda: options.lambda, seed: seed,
            drawsPerVoxel: options.samples, networkName: recipe.networkName,
            networkSHA256: recipe.networkSHA256, inputs: inputs, sources: [input.dwi],
            sourceStem: input.stem.isPlainFileName ? input.stem : "dwi",
            acquisition: try Self.describe(acquisition, geometry, inRange: isInTrainingRange), threads: nthreads)
        provenance.timings = timings
        provenance.warnings = warnings
        provenance.noiseOrigin = independent?.origin
        provenance.knownNoise = known.map { .init(source: $0.source, voxels: knownCount, without: survey.withoutNoise) }
        provenance.directions = DirectionCheck(directions)
        provenance.residuals = try ShellResiduals(
            PosteriorArchive.shards(in: target.work), family: chosen.family, lambda: options.lambda,
            signals: series.values, acquisition: acquisition, threads: nthreads)
        if part.index == 0, output.formats.contains(.fsl),
            let tensor = TensorMaps(
                signals: series.values, acquisition: acquisition, rules: options.rules, threads: nthreads)
        {
            try TensorOutputs.write(
                tensor, mask: mask, directory: target.staging, description: "prism-dmri diffusion tensor")
        }
        if shard != nil {
            provenance.grid = geometry.spatialShape
            provenance.affine = geometry.affine.elements
            // Every part has the whole scan; one of them keeps what it says of the noise.
            if let independent, part.index == 0 {
                try FitOutputs.writeNoise(independent, mask: mask, directory: target.staging)
            }
            try provenance.write(to: target.staging + "/fit.json")
            try target.finish()
            if !quiet {
                Progress.note(
                    """
                    part \(part.index + 1) of \(part.of) is in \(out); 'prism-dmri merge' joins the parts and writes \
                    the maps
                    """
                )
            }
            return
        }
        provenance.kept = keep == .draws ? nil : keep
        let archive = try PosteriorArchive(directory: target.work)
        let result = try FitOutputs.write(
            archive: archive, lambda: options.lambda, geometry: geometry,
            directory: target.staging, provenance: provenance,
            formats: output.formats, noise: independent, threads: nthreads)
        if let keep { try target.keep(keep, of: archive) }
        try target.finish()
        for warning in result.provenance.warnings where !warnings.contains(warning) {
            Progress.note("warning: " + warning)
        }
        Self.warnOfEarlierReadings(target)
        if !quiet {
            Self.report(result.provenance, out: out, total: seconds(since: begin), fitting: timings["fitting"]!)
        }
    }

    private func makeRecipe(
        _ chosen: FamilyChoice, _ given: NetworkFile?, _ acquisition: Acquisition, _ options: FitOptions
    ) throws -> any EngineRecipe {
        switch (chosen, engine) {
        case (.composed(let family), _):
            try chosen.check(largestB: acquisition.bValues.max() ?? 0, of: input.dwi)
            return try FamilyEngineRecipe(
                family: family, file: given, path: network ?? "", acquisition: acquisition, options: options)
        case (.ballSticks, .prism):
            return try PrismRecipe(
                file: try given ?? NetworkFile.standard(), path: network ?? "the default network",
                acquisition: acquisition, options: options,
                preset: preset ?? .balanced)
        case (.ballSticks, .smc): return SmcRecipe(acquisition: acquisition, options: options)
        case (.ballSticks, .mcmc): return McmcRecipe(acquisition: acquisition, chain: chain.options, options: options)
        }
    }

    /// Maps and exports beside a fit that was replaced are still those of the old one.
    static func warnOfEarlierReadings(_ target: OutputFolder) {
        let names = target.earlierReadings
        if !names.isEmpty {
            Progress.note(
                """
                warning: \(names.joined(separator: " and ")) stay as made from the fit that was replaced; make them \
                again with --force
                """
            )
        }
    }

    /// Ties the shards of a fit to its data, so that --resume cannot mix two images.
    private static func digest(_ values: [Float], _ acquisition: Acquisition) -> String {
        var data = values.withUnsafeBytes { Data($0) }
        let table = zip(acquisition.bValues, acquisition.directions).flatMap { b, g in [b, g.x, g.y, g.z] }
        table.withUnsafeBytes { data.append(contentsOf: $0) }
        return NetworkFile.digest(data)
    }

    private static func describe(
        _ acquisition: Acquisition, _ geometry: VolumeGeometry, inRange: Bool?
    ) throws -> FitProvenance.Acquisition {
        let affine = geometry.affine
        let frame = try FrameConversion(affine3x3: (0..<9).map { affine[$0 / 3, $0 % 3] })
        let table = GradientTable(
            bValues: acquisition.bValues, vectors: acquisition.directions.map(frame.fsl(fromScanner:)), frame: .fsl
        ).fslText
        var counts: [Int: Int] = [:]
        for i in 0..<acquisition.count where !acquisition.isUnweighted(i) {
            counts[Int((acquisition.bValues[i] / 100).rounded()) * 100, default: 0] += 1
        }
        return FitProvenance.Acquisition(
            volumeCount: acquisition.count, baselineCount: acquisition.unweightedCount,
            shells: counts.sorted { $0.key < $1.key }.map { .init(bValue: Double($0.key), volumeCount: $0.value) },
            isInTrainingRange: inRange, table: .init(bvals: table.bvals, bvecs: table.bvecs),
            timing: acquisition.timingNote)
    }

    private static func report(_ p: FitProvenance, out: String, total: Double, fitting: Double) {
        Progress.note(
            String(
                format:
                    """
                    %d of %d voxels fitted in %.1f s (%.0f voxels/s on %d threads), %.1f s in all, peak memory %.0f \
                    MiB
                    """,
                p.counts.fitted,
                p.counts.voxels, fitting, Double(p.counts.voxels) / max(fitting, 1e-3), p.threads, total,
                Double(p.peakMemoryBytes) / 1_048_576))
        Progress.note("written: \(out)")
    }
}

/// Part I of N of a fit's voxels, I from 1.
struct Part: ExpressibleByArgument {
    let index: Int, of: Int

    init?(argument: String) {
        let words = argument.split(separator: "/", omittingEmptySubsequences: false)
        guard words.count == 2, let i = Int(words[0]), let n = Int(words[1]), (1...10_000).contains(n),
            (1...n).contains(i)
        else { return nil }
        (index, of) = (i - 1, n)
    }
}

extension PrismPreset: ExpressibleByArgument {}
