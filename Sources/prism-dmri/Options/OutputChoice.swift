import ArgumentParser
import Inference
import Reporting

/// Which files a fit, a merge or a reading at another λ writes.
struct OutputChoice: ParsableArguments {
    @Option(
        help:
            """
            What to write, separated by commas: \(WrittenList.words.joined(separator: ", ")) (default: all). The \
            quality, misfit and noise maps and fit.json always come along.
            """
    ) var write: WrittenList?
    @Flag(help: "FSL's files at the folder's top, as in bedpostX's SUBJECT.bedpostX, not in fsl.bedpostX/.")
    var fslLayout = false

    func validate() throws {
        guard fslLayout, let write, !write.formats.contains(.fsl) else { return }
        throw ValidationError("--fsl-layout says where FSL's files lie, but --write leaves them out; add fsl to it.")
    }

    var isGiven: Bool { write != nil || fslLayout }

    var formats: FitOutputs.Formats { (write?.formats ?? .standard).union(fslLayout ? .fslLayout : []) }
}

/// `fsl,bids` as a set.
struct WrittenList: ExpressibleByArgument {
    let formats: FitOutputs.Formats
    static let words = ["fsl", "mrtrix", "dipy", "bids", "report"]
    private static let all: [FitOutputs.Formats] = [.fsl, .mrtrix, .dipy, .bids, [.report, .picture]]

    init(_ formats: FitOutputs.Formats) { self.formats = formats }

    init?(argument: String) {
        var formats: FitOutputs.Formats = []
        for word in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let i = Self.words.firstIndex(of: String(word)) else { return nil }
            formats.formUnion(Self.all[i])
        }
        self.formats = formats
    }
}

extension KeptPosterior: ExpressibleByArgument {
    static let help: ArgumentHelp = """
        What to keep of the posterior: draws (all of it: for maps, export, report and stats later), structures \
        (the models' probabilities alone, a tenth of the space: for maps of them at other λ), none.
        """
}
