# The published methods: what each is in words, and its paper. A test holds this list against the library's.

METHODS <- list(
    "ot-cfm" = c(
        "exact optimal transport, straight lines: velocity alone",
        "OT-CFM: Tong et al., Improving and generalizing flow-based generative models with minibatch optimal transport, TMLR 2024."
    ),
    "mmfm" = c(
        "exact optimal transport, cubic splines through coupled cells of all times: velocity alone",
        "MMFM: Rohbeck et al., Modeling complex system dynamics with flow matching across time and conditions, ICLR 2025."
    ),
    "metric-fm" = c(
        "exact optimal transport, learned paths near the cells: velocity alone",
        "Metric FM: Kapu\u015bniak et al., Metric flow matching for smooth interpolations on the data manifold, NeurIPS 2024."
    ),
    "branch-sbm" = c(
        "branches from the first snapshot to parts of the last, each with a velocity, and how much of the population goes each way",
        "BranchSBM: Tang et al., Branched Schr\u00f6dinger bridge matching, ICLR 2026."
    ),
    "sf2m" = c(
        "entropic optimal transport, Brownian bridges: velocity and score",
        "SF2M: Tong et al., Simulation-free Schr\u00f6dinger bridges via score and flow matching, AISTATS 2024."
    ),
    "uot-fm" = c(
        "unbalanced optimal transport, straight lines: velocity alone",
        "UOT-FM: Eyring et al., Unbalancedness in neural Monge maps improves unpaired domain translation, ICLR 2024."
    ),
    "uot-growth" = c(
        "unbalanced optimal transport, straight lines: velocity and growth",
        "uot-growth: a free combination, the couplings of UOT-FM with a growth rate."
    ),
    "vgfm" = c(
        "semi-relaxed optimal transport, straight lines: velocity and growth",
        "VGFM: Wang et al., Joint velocity-growth flow matching for single-cell dynamics modeling, NeurIPS 2025."
    ),
    "wfr-fm" = c(
        "Wasserstein-Fisher-Rao couplings, travelling Diracs: velocity and growth",
        "WFR-FM: Peng et al., ICLR 2026."
    ),
    "usb" = c(
        "Wasserstein-Fisher-Rao couplings, Poisson-Brownian bridges: velocity, growth and score",
        "USB, unbalanced Schr\u00f6dinger bridges: Ying et al., 2026."
    ),
    "action-matching" = c(
        "optimal couplings, straight paths: a potential by their places alone",
        "Neklyudov et al., Action matching: learning stochastic dynamics from samples, ICML 2023."
    ),
    "unbalanced-action-matching" = c(
        "Wasserstein-Fisher-Rao couplings, travelling Diracs: a potential, of which growth follows",
        "Neklyudov et al., Action matching: learning stochastic dynamics from samples, ICML 2023."
    ),
    "wlf" = c(
        "optimal couplings, paths of least action: a potential that is learned against them",
        "Neklyudov et al., A computational framework for solving Wasserstein Lagrangian flows, ICML 2024."
    ),
    "unbalanced-wlf" = c(
        "the same, with a mass that goes log-linearly: a potential, of which growth follows",
        "Neklyudov et al., A computational framework for solving Wasserstein Lagrangian flows, ICML 2024."
    ),
    "mioflow" = c(
        "rollout of a velocity",
        "MIOFlow: Huguet et al., Manifold interpolating optimal-transport flows for trajectory inference, NeurIPS 2022."
    ),
    "tigon" = c(
        "velocity and growth by the densities that they carry",
        "TIGON: Sha et al., Reconstructing growth and dynamic trajectories from single-cell transcriptomics data, Nature Machine Intelligence 2024."
    ),
    "tigon-w2" = c(
        "rollout of velocity and growth",
        "TIGON's flow with particles that meet cells: after Sha et al., Nature Machine Intelligence 2024."
    ),
    "deep-ruot" = c(
        "rollout of velocity, growth and density",
        "DeepRUOT: Zhang, Li, Zhou, Learning stochastic dynamics from snapshots through regularized unbalanced optimal transport, ICLR 2025."
    ),
    "var-ruot" = c(
        "rollout of one potential: velocity, growth and density",
        "Var-RUOT: Sun et al., Variational regularized unbalanced optimal transport: single network, least action, NeurIPS 2025."
    )
)

# The same as markup of a help page, in the order of the library.
method_list <- function() {
    names <- chreode_capabilities()$methods
    items <- sprintf("\\item{\\code{\"%s\"}}{%s}", names, vapply(METHODS[names], `[[`, "", 1))
    default <- sprintf("The default is \\code{\"%s\"}.", default_of("fit", "method"))
    paste(c("\\describe{", items, "}", default), collapse = "\n")
}

method_references <- function() {
    paste(vapply(METHODS[chreode_capabilities()$methods], `[[`, "", 2), collapse = "\n\n")
}
