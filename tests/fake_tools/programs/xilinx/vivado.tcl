# EXSEOS-STAND-IN: the commands of Vivado's flow without a project.
namespace eval stand_in {
    # `stage` is what became of the design: "", synthesized, optimized, placed, physopt, routed.
    variable design {part "" top "" mode default stage "" routed 0 placed 0}
    variable verilog {}
    variable vhdl {}
    variable constraints {}
    variable clocks {}
    variable properties
    variable directives {}
    array set properties {}
    variable effort {Default RuntimeOptimized Explore Quick}
    variable known [dict create \
        synth_design [list {*}$effort AreaOptimized_high AreaOptimized_medium AreaMultThresholdDSP AlternateRoutability \
            AreaMapLargeShiftRegToBRAM PerformanceOptimized FewerCarryChains FlowRuntimeOptimized PowerOptimized_high \
            PowerOptimized_medium LogicCompaction sdx_optimization_effort_high] \
        opt_design [list {*}$effort ExploreArea AddRemap ExploreSequentialArea NoBramPowerOpt ExploreWithRemap RQS] \
        place_design [list {*}$effort WLDrivenBlockPlacement EarlyBlockPlacement ExtraNetDelay_high ExtraNetDelay_low \
            AltSpreadLogic_high AltSpreadLogic_medium AltSpreadLogic_low ExtraPostPlacementOpt ExtraTimingOpt SSI_SpreadLogic_high \
            SSI_SpreadLogic_low SSI_SpreadSLLs SSI_BalanceSLLs SSI_BalanceSLRs SSI_HighUtilSLRs Auto_1 Auto_2 Auto_3 RQS] \
        phys_opt_design [list {*}$effort ExploreWithHoldFix ExploreWithAggressiveHoldFix AggressiveExplore \
            AlternateReplication AggressiveFanoutOpt AddRetime AlternateFlowWithRetiming RQS] \
        route_design [list {*}$effort AggressiveExplore NoTimingRelaxation MoreGlobalIterations HigherDelayCost \
            AdvancedSkewModeling AlternateCLBRouting RQS]]
}

proc stand_in::announce {name words} {}
proc stand_in::unknown_words {name unknown extra} {
    variable failed
    if {[llength $unknown]} {
        set failed "ERROR: \[Common 17-170\] Unknown option '[lindex $unknown 0]', please type '$name -help' for usage info."
    } else {
        set failed "ERROR: \[Common 17-165\] Too many positional options when parsing '[lindex $extra 0]', please type '$name -help' for usage info."
    }
    puts $failed
    return -code error $failed
}
proc stand_in::missing_value {name option} {return "ERROR: \[Common 17-157\] Missing value for option '$option', please type '$name -help' for usage info."}
proc stand_in::missing_word {name} {return "ERROR: \[Common 17-163\] Missing value for a positional argument, please type '$name -help' for usage info."}
proc stand_in::trail {message info} {
    set lines [split $info "\n"]
    puts [join [lrange $lines 1 end] "\n"]
}

proc stand_in::opened {} {
    variable design
    if {[dict get $design stage] eq ""} {
        fail "ERROR: \[Common 17-53\] User Exception: No open design. Please open an elaborated, synthesized or implemented design before executing this command."
    }
}

proc stand_in::step {name opt} {
    variable known
    variable directives
    set directive [given $opt -directive Default]
    if {$directive ni [dict get $known $name]} {
        fail "ERROR: \[Common 17-162\] Invalid option value '$directive' specified for '-directive'."
    }
    lappend directives $name=$directive
    puts "Command: $name [expr {$directive eq "Default" ? "" : "-directive $directive"}]"
}

proc stand_in::existing {names} {
    set found {}
    foreach name $names {
        if {![file exists $name]} {fail "ERROR: \[Vivado 12-172\] File or Directory '[file normalize $name]' does not exist"}
        lappend found {*}[expr {[file isdirectory $name] ? [lsort [glob -nocomplain -directory $name *.v *.sv *.vhd *.dat]] : [list $name]}]
    }
    return $found
}

proc stand_in::add {names} {
    variable verilog
    variable vhdl
    variable constraints
    foreach name [existing [join $names]] {
        switch -- [file extension $name] {
            .vhd - .vhdl {lappend vhdl $name}
            .xdc {lappend constraints $name}
            .v - .sv - .vh {lappend verilog $name}
        }
    }
}

proc stand_in::use_part {part} {
    variable design
    if {[act part name $part]} {
        puts "WARNING: \[Device 21-436\] No parts matched '$part'"
        fail "ERROR: \[Coretcl 2-106\] Specified part could not be found."
    }
    dict set design part $part
}

proc stand_in::facts {} {
    variable design
    variable verilog
    variable vhdl
    variable clocks
    variable directives
    set found [list files [concat $verilog $vhdl] clocks $clocks directives $directives]
    return [concat $found $design]
}

stand_in::define create_project {-in_memory 0 -part 1 -force 0} 0 2 {
    if {[dict exists $opt -part]} {stand_in::use_part [dict get $opt -part]}
    return [lindex $rest 0]
}
stand_in::define set_part {} 1 1 {stand_in::use_part [lindex $rest 0]}
stand_in::define read_verilog {-sv 0 -library 1} 1 999 {stand_in::add $rest}
stand_in::define read_vhdl {-library 1 -vhdl2008 0 -vhdl2019 0} 1 999 {stand_in::add $rest}
stand_in::define add_files {-fileset 1 -norecurse 0 -scan_for_includes 0 -quiet 0} 1 999 {stand_in::add $rest}
stand_in::define read_xdc {-mode 1 -unmanaged 0 -quiet 0 -ref 1 -cells 1} 1 999 {
    lappend stand_in::constraints {*}[stand_in::existing [join $rest]]
    if {[dict get $stand_in::design stage] ne ""} {stand_in::constrain}
}

# Constraints are read when there is a design that they can speak of.
proc stand_in::constrain {} {
    variable constraints
    foreach file $constraints {
        puts "Parsing XDC File \[[file normalize $file]\]"
        if {[catch {uplevel #0 [list source $file]} message]} {puts "CRITICAL WARNING: \[Designutils 20-1307\] Command failed in '$file': $message"}
        puts "Finished Parsing XDC File \[[file normalize $file]\]"
    }
    set constraints {}
}

stand_in::define create_clock {-period 1 -name 1 -waveform 1 -add 0} 0 1 {
    stand_in::opened
    set period [stand_in::given $opt -period]
    if {![string is double -strict $period] || $period <= 0} {
        stand_in::fail "ERROR: \[Common 17-161\] Invalid option value '$period' specified for 'period'."
    }
    if {![llength [lindex $rest 0]] && ![dict exists $opt -name]} {
        stand_in::fail "ERROR: \[Vivado 12-4739\] create_clock:No valid object(s) found for '[lindex $rest 0]'."
    }
    dict set stand_in::clocks [stand_in::given $opt -name [lindex $rest 0]] $period
}
stand_in::define get_ports {-quiet 0 -regexp 0 -filter 1} 0 1 {
    stand_in::opened
    set found {}
    foreach port [dict get $stand_in::design ports] {
        if {[string match [expr {[llength $rest] ? [lindex $rest 0] : "*"}] $port]} {lappend found $port}
    }
    if {![llength $found]} {puts "WARNING: \[Vivado 12-584\] No ports matched '[lindex $rest 0]'."}
    return $found
}
stand_in::define get_clocks {-quiet 0} 0 1 {dict keys $stand_in::clocks [expr {[llength $rest] ? [lindex $rest 0] : "*"}]}
foreach command {set_input_delay set_output_delay set_false_path set_clock_uncertainty set_max_delay} {
    stand_in::define $command {-clock 1 -max 0 -min 0 -from 1 -to 1 -setup 0 -hold 0 -add_delay 0} 0 2 {stand_in::opened}
}

stand_in::define synth_design {
    -top 1 -part 1 -mode 1 -directive 1 -flatten_hierarchy 1 -retiming 0 -generic 1 -verilog_define 1 -include_dirs 1 -name 1
    -no_iobuf 0 -rtl 0 -fsm_extraction 1 -keep_equivalent_registers 0 -resource_sharing 1 -max_dsp 1 -max_bram 1 -max_uram 1
    -no_lc 0 -shreg_min_size 1 -global_retiming 1 -assert 0 -constrset 1 -control_set_opt_threshold 1 -quiet 0 -verbose 0
} 0 0 {
    if {[dict exists $opt -part]} {stand_in::use_part [dict get $opt -part]}
    if {[dict get $stand_in::design part] eq ""} {stand_in::use_part xc7vx690tffg1157-2}
    stand_in::step synth_design $opt
    dict set stand_in::design top [stand_in::given $opt -top [stand_in::given [array get stand_in::properties] top]]
    dict set stand_in::design mode [stand_in::given $opt -mode default]
    puts "Starting synth_design"
    if {[stand_in::act synthesize {*}[stand_in::facts]]} {
        stand_in::fail "ERROR: \[Common 17-69\] Command failed: Synthesis failed - please see the console or run log file for details"
    }
    dict set stand_in::design stage synthesized
    set ports [exec /usr/bin/python3 -I $stand_in::program --stand-in ports {*}[stand_in::facts]]
    dict set stand_in::design ports $ports
    stand_in::constrain
    puts "synth_design completed successfully"
}

stand_in::define opt_design {
    -directive 1 -retarget 0 -propconst 0 -sweep 0 -bram_power_opt 0 -shift_register_opt 0 -remap 0 -aggressive_remap 0 -resynth_area 0
    -resynth_seq_area 0 -muxf_remap 0 -hier_fanout_limit 1 -bufg_opt 0 -mbufg_opt 0 -dsp_register_opt 0 -srl_remap_modes 1
    -control_set_merge 0 -merge_equivalent_drivers 0 -carry_remap 0 -debug_log 0 -property_opt_only 0 -quiet 0 -verbose 0
} 0 0 {
    stand_in::opened
    stand_in::step opt_design $opt
    dict set stand_in::design stage optimized
    puts "opt_design completed successfully"
}

stand_in::define place_design {-directive 1 -unplace 0 -post_place_opt 0 -timing_summary 0 -no_timing_driven 0 -ultrathreads 0 -quiet 0 -verbose 0} 0 0 {
    stand_in::opened
    stand_in::step place_design $opt
    if {[dict get $stand_in::design routed]} {
        puts "ERROR: \[Place 30-120\] The design is already routed."
        stand_in::fail "ERROR: \[Common 17-69\] Command failed: Placer could not place all instances"
    }
    dict set stand_in::design placed 1
    dict set stand_in::design stage placed
    puts "place_design completed successfully"
}

stand_in::define phys_opt_design {
    -directive 1 -fanout_opt 0 -placement_opt 0 -routing_opt 0 -slr_crossing_opt 0 -rewire 0 -insert_negative_edge_ffs 0 -critical_cell_opt 0
    -dsp_register_opt 0 -bram_register_opt 0 -uram_register_opt 0 -bram_enable_opt 0 -shift_register_opt 0 -hold_fix 0
    -aggressive_hold_fix 0 -retime 0 -force_replication_on_nets 1 -critical_pin_opt 0 -clock_opt 0 -quiet 0 -verbose 0
} 0 0 {
    stand_in::opened
    if {![dict get $stand_in::design placed]} {
        puts "ERROR: \[Vivado_Tcl 4-258\] The design is not placed: run place_design first."
        stand_in::fail "ERROR: \[Common 17-39\] 'phys_opt_design' failed due to earlier errors."
    }
    stand_in::step phys_opt_design $opt
    if {![dict get $stand_in::design routed]} {dict set stand_in::design stage physopt}
    puts "phys_opt_design completed successfully"
}

stand_in::define route_design {-directive 1 -tns_cleanup 0 -unroute 0 -preserve 0 -nets 1 -physical_nets 0 -ultrathreads 0 -no_timing_driven 0 -quiet 0 -verbose 0} 0 0 {
    stand_in::opened
    stand_in::step route_design $opt
    if {![dict get $stand_in::design placed]} {
        puts "ERROR: \[Route 35-9\] The design has unplaced instances: the router needs a placed design."
        stand_in::fail "ERROR: \[Common 17-39\] 'route_design' failed due to earlier errors."
    }
    dict set stand_in::design routed 1
    dict set stand_in::design stage routed
    if {$stand_in::behaviour eq "timing"} {
        puts "CRITICAL WARNING: \[Route 35-39\] The design did not meet timing requirements. Please run report_timing_summary for detailed reports."
    }
    puts "route_design completed successfully"
}

proc stand_in::report {kind opt} {
    opened
    set file [given $opt -file]
    set command [string map {_hierarchical ""} $kind]
    set said "$command[expr {[string match *hierarchical $kind] ? { -hierarchical} : {}}] -file $file"
    if {[act $kind {*}[facts] file $file command $said]} {fail "ERROR: \[Common 17-69\] Command failed: report was not written"}
    if {$kind eq "report_timing_summary" && $stand_in::behaviour eq "timing"} {
        puts "CRITICAL WARNING: \[Timing 38-282\] The design failed to meet the timing requirements. Please see the timing summary report for details on the timing violations."
    }
}
stand_in::define report_utilization {
    -file 1 -append 0 -hierarchical 0 -hierarchical_depth 1 -hierarchical_percentages 0 -cells 1 -pb 1 -slr 0 -quiet 0 -verbose 0 -no_primitives 0
} 0 0 {stand_in::report report_utilization[expr {[dict exists $opt -hierarchical] ? "_hierarchical" : ""}] $opt}
stand_in::define report_timing_summary {
    -file 1 -append 0 -max_paths 1 -nworst 1 -delay_type 1 -no_detailed_paths 0 -report_unconstrained 0 -check_timing_verbose 0 -pb 1 -rpx 1
    -warn_on_violation 0 -input_pins 0 -routable_nets 0 -setup 0 -hold 0 -unique_pins 0 -no_header 0 -quiet 0 -verbose 0 -datasheet 0 -path_type 1
} 0 0 {stand_in::report report_timing_summary $opt}
stand_in::define report_power {-file 1 -append 0 -pb 1 -rpx 1 -xpe 1 -hier 1 -advisory 0 -no_propagation 0 -quiet 0 -verbose 0} 0 0 {
    stand_in::report report_power $opt
}

stand_in::define write_checkpoint {-force 0 -quiet 0 -verbose 0} 1 1 {
    stand_in::opened
    set file [lindex $rest 0]
    if {[file extension $file] ne ".dcp"} {append file .dcp}
    if {[file exists $file] && ![dict exists $opt -force]} {
        stand_in::fail "ERROR: \[Common 17-176\] Overwrite of existing file isn't enabled. Please specify -force to overwrite file \[$file\]"
    }
    set out [open $file w]
    puts $out "EXSEOS-STAND-IN checkpoint: $stand_in::design"
    close $out
}
stand_in::define write_verilog {-force 0 -mode 1 -quiet 0} 1 1 {
    stand_in::opened
    set out [open [lindex $rest 0] w]
    puts $out "// EXSEOS-STAND-IN netlist of [dict get $stand_in::design top]"
    close $out
}
stand_in::define set_property {-dict 1 -quiet 0} 1 3 {
    if {[dict exists $opt -dict]} {
        array set stand_in::properties [dict get $opt -dict]
    } else {
        set stand_in::properties([string tolower [lindex $rest 0]]) [lindex $rest 1]
    }
    return
}
stand_in::define get_property {-quiet 0} 1 2 {
    set name [string tolower [lindex $rest 0]]
    if {$name in {part top}} {return [dict get $stand_in::design $name]}
    return [expr {[info exists stand_in::properties($name)] ? $stand_in::properties($name) : ""}]
}
stand_in::define set_msg_config {-id 1 -severity 1 -new_severity 1 -limit 1 -suppress 0 -string 1 -regexp 0 -ruleid 1} 0 0 {return}
stand_in::define set_param {} 2 2 {return}
stand_in::define current_design {-quiet 0} 0 1 {stand_in::opened; dict get $stand_in::design top}
stand_in::define current_project {-quiet 0} 0 1 {return project_1}
stand_in::define current_fileset {-quiet 0} 0 1 {return sources_1}
stand_in::define close_project {-quiet 0} 0 0 {return}
stand_in::define close_design {-quiet 0} 0 0 {stand_in::opened; dict set stand_in::design stage ""}
stand_in::define version {-short 0} 0 0 {return $stand_in::version}
stand_in::define set_units {-capacitance 1 -time 1} 0 0 {return}
# IP cores that an HLS design asks for by a script of its own.
stand_in::define create_ip {-name 1 -vendor 1 -library 1 -version 1 -module_name 1 -dir 1} 0 0 {return [stand_in::given $opt -module_name]}
stand_in::define get_ips {} 0 1 {return [lindex $rest 0]}
foreach command {generate_target synth_ip export_ip_user_files} {stand_in::define $command {-force 0} 1 2 {return}}
