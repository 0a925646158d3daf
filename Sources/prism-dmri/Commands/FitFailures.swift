import CommandLineSupport
import Inference
import Reporting

/// A scan without a voxel that could be fitted.
struct NoVoxelFitted: CommandFailure {
    let survey: FitSurvey
    var exitStatus: ExitStatus { .badData }
    var description: String {
        survey.voxels == 0
            ? "The mask holds no voxel, so that nothing could be fitted; give another --mask"
            : """
            No voxel could be fitted: \(survey.explanation); check the image and the mask, or leave out volumes \
            that are damaged
            """
    }
}

/// Why no noise can be taken as known.
enum NoNoiseToKnow: CommandFailure {
    case noEstimate(path: String)
    /// Of the map or estimate named.
    case noVoxel(String)

    var exitStatus: ExitStatus { .badData }

    var description: String {
        switch self {
        case .noEstimate(let path):
            "\(path) has too few volumes or voxels for an estimate of its noise that --known-noise could take; give "
                + "--noise-map, or leave out --known-noise"
        case .noVoxel(let source):
            """
            No voxel that can be fitted has a usable value of the noise (\(source)): each lacks one above 0, or has \
            an SNR outside 0.1 to 1000; give the standard deviation of the noise in the scan's units, or leave out\u{20}
            """
                + "--known-noise"
        }
    }
}

/// A fit that failed for want of room and can go on.
struct WorkKept: CommandFailure {
    let cause: any Error, out: String, again: Again
    var exitStatus: ExitStatus { .io }
    var description: String {
        """
        \(Failure.describe(cause).message); what is finished of the posterior is kept in \(out): make room there and \
        give \(again.words)
        """
    }
}

/// A finished fit whose draws are gone, which no run can take up again.
struct NothingToResume: CommandFailure {
    let out: String, kept: KeptPosterior
    var exitStatus: ExitStatus { .cannotCreate }
    var description: String {
        "\(out) holds a finished fit that was told to keep \(kept == .none ? "no posterior" : "no draws"), so there is "
            + "nothing to go on from; choose another name, or fit anew with --force"
    }
}

/// How a fit that broke off is taken up again.
enum Again {
    case resume, resumeInsteadOfForce
    /// By a command that finds out itself what is left to do.
    case sameCommand

    var words: String {
        switch self {
        case .resume: "the same command with --resume to go on"
        case .resumeInsteadOfForce: "the same command with --resume instead of --force to go on"
        case .sameCommand: "the same command again"
        }
    }
}

/// A fit stopped by the user.
struct Interrupted: CommandFailure {
    let out: String, keepsWork: Bool, again: Again
    var exitStatus: ExitStatus { .interrupted }
    var description: String {
        keepsWork
            ? "Stopped; what is finished is kept in \(out). Give \(again.words)."
            : "Stopped before anything was finished; nothing was written."
    }
}
