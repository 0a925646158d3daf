import ArgumentParser
import CommandLineSupport
import Diffusion
import Reporting
import Studies
import Tensors

extension Validate {
    struct Networks: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Trained networks alone, side by side, on voxels drawn from the prior.",
            usage: "prism-dmri validate networks <file> ... [options]",
            discussion: Manual.page(
                """
                Networks of one family, of either method of 'train', are asked about the same simulated voxels without \
                any engine. Reported at each λ: how well structures and numbers of fibres are told; what is known of \
                parameters given the true structure: ranked probability score of numbers (in units of the prior's \
                standard deviation), energy score of axes (prior: 0.393), log density where there are no axes, ranks \
                of the truth among draws.

                'reweighted' is the same network's answer brought to λ by the exact identity, from λ = 0 or from the \
                one it was trained for. 'lost' is probability given to what is no structure of the family; \
                'above the first' a difference of log scores, voxel by voxel.

                Acquisitions: those of --acquisition, of every .bval/.bvec pair in --schemes, or (default) random ones \
                from the mixture that the first network was trained on.
                """,
                examples: [
                    (
                        "two trainings, at three parsimonies",
                        "prism-dmri validate networks a.safetensors b.safetensors"
                    )
                ],
                references: [
                    .talts2018, .schroeder2024,
                    "Proper scores: Gneiting and Raftery 2007, J Am Stat Assoc 102:359, doi:10.1198/016214506000001437",
                ]))

        @Argument(help: "Networks, as 'train' writes them.", completion: .file()) var files: [String]
        @OptionGroup var acquired: AcquisitionChoice
        @Option(help: "Voxels to simulate at each λ.") var voxels = 1000
        @Option(parsing: .upToNextOption, help: "Parsimonies λ of the prior drawn from and of the answers.")
        var lambda = [0.0, 1, 2]
        @OptionGroup var threads: ThreadOptions
        @Option(help: "Seed of all random numbers.") var seed: UInt64 = 1
        @Flag(help: "JSON instead of tables.") var json = false
        @OptionGroup var talk: TalkOptions

        func validate() throws {
            guard (1...10_000_000).contains(voxels) else {
                throw ValidationError("--voxels must lie between 1 and 10000000.")
            }
            guard !lambda.isEmpty, lambda.allSatisfy((0...3).contains) else {
                throw ValidationError("--lambda must lie between 0 and 3.")
            }
        }

        func run() throws {
            Blas.prepare()
            let networks = try files.map(StudiedNetwork.init(path:)), first = networks[0]
            let choice = try FamilyChoice(nil, network: (first.origin, first.path)).known(to: first.origin)
            for other in networks
            where other.origin.family != choice.family.name || other.origin.familyDefinition != choice.family.definition
            {
                throw OtherFamilies(
                    first: first.path, family: first.origin.family, other: other.path, found: other.origin.family)
            }
            var study = NetworkStudy()
            study.family = choice.family
            study.acquisitions = try acquired.open { first.origin.mixture ?? ProtocolMixture() }
            try choice.check(study.acquisitions, acquired.name)
            (study.voxels, study.lambdas, study.seed, study.threads) = (voxels, lambda, seed, threads.nthreads)
            let bar = ProgressLine("asking", unit: "voxels", total: lambda.count * voxels, quiet: talk.quiet)
            guard
                let report = try Interrupt.polled({
                    try study.run(networks, progress: { bar.update($0) }, shouldStop: { Interrupt.requested })
                })
            else { throw StudyInterrupted() }
            print(json ? try ValidationOptions.encode(report) : NetworkText.text(report), terminator: "")
        }
    }
}

/// Networks that were not trained for the same.
struct OtherFamilies: CommandFailure {
    let first: String, family: String, other: String, found: String
    var exitStatus: ExitStatus { .badData }
    var description: String {
        let what = family == found ? "another definition of '\(family)'" : "'\(found)'"
        return "\(other) was trained for \(what), \(first) for '\(family)'; compare networks of one family"
    }
}

extension StructuresNotListed: CommandFailure {
    package var exitStatus: ExitStatus { .badData }
}
