# EXSEOS-STAND-IN: the commands of Vivado HLS and Vitis HLS.
namespace eval stand_in {
    variable project {folder "" top "" solution "" files {} benches {}}
    variable solution {part "" period 10 uncertainty "" synthesized 0}
    variable vitis [expr {$version >= 2020.2}]
}

proc stand_in::announce {name words} {
    if {$stand_in::vitis} {puts "INFO: \[HLS 200-1510\] Running: $name [join $words] "}
}

proc stand_in::unknown_words {name unknown extra} {
    foreach word [concat $unknown $extra] {
        puts "ERROR: \[HLS 200-101\] [expr {$stand_in::vitis ? "$name:" : "'$name':"}] Unknown option '$word'."
    }
    return -code error ""
}

proc stand_in::missing_value {name option} {return "ERROR: \[HLS 200-101\] $name: Option '$option' requires a value."}
proc stand_in::missing_word {name} {return "ERROR: \[HLS 200-101\] $name: Missing required argument."}

proc stand_in::trail {message info} {
    if {$message eq ""} {puts "command 'ap_source' returned error code"}
    puts "    while executing\n\"source $stand_in::script\"\n    (\"uplevel\" body line 1)\n    invoked from within"
    puts "\"uplevel \\#0 \[list source \$arg\] \"\n"
}

proc stand_in::folder {} {
    variable project
    if {[dict get $project folder] eq ""} {fail "ERROR: \[HLS 200-103\] No project is open: use open_project first."}
    return [dict get $project folder]
}

proc stand_in::solution_folder {} {
    variable project
    set folder [folder]
    if {[dict get $project solution] eq ""} {fail "ERROR: \[HLS 200-104\] No solution is open: use open_solution first."}
    return [file join $folder [dict get $project solution]]
}

# What the Python side needs to know, as pairs.
proc stand_in::facts {} {
    variable project
    variable solution
    set facts [list folder [solution_folder] project [dict get $project folder] top [dict get $project top]]
    lappend facts files [dict get $project files] benches [dict get $project benches]
    return [concat $facts $solution]
}

proc stand_in::need_synthesis {error} {
    variable solution
    solution_folder
    if {![dict get $solution synthesized]} {fail $error}
}

stand_in::define open_project {-reset 0} 1 1 {
    set folder [lindex $rest 0]
    if {[dict exists $opt -reset]} {file delete -force -- $folder}
    set verb [expr {[file isdirectory $folder] ? "Opening" : "Creating and opening"}]
    file mkdir $folder
    set stand_in::project [dict create folder $folder top "" solution "" files {} benches {}]
    puts "INFO: \[HLS 200-10\] $verb project '[file normalize $folder]'."
}

stand_in::define set_top {} 1 1 {
    stand_in::folder
    dict set stand_in::project top [lindex $rest 0]
}

stand_in::define add_files {-tb 0 -cflags 1 -csimflags 1 -blackbox 1} 1 999 {
    stand_in::folder
    set bench [dict exists $opt -tb]
    foreach name [join $rest] {
        if {![file exists $name]} {
            puts "WARNING: \[HLS 200-40\] Cannot find [expr {$bench ? {test bench} : {design}}] file '$name'"
        } else {
            puts "INFO: \[HLS 200-10\] Adding [expr {$bench ? {test bench} : {design}}] file '$name' to the project"
        }
        dict lappend stand_in::project [expr {$bench ? "benches" : "files"}] $name
    }
}

stand_in::define open_solution {-reset 0 -flow_target 1} 1 1 {
    if {[dict exists $opt -flow_target] && !$stand_in::vitis} {stand_in::unknown_words open_solution -flow_target {}}
    set folder [file join [stand_in::folder] [lindex $rest 0]]
    if {[dict exists $opt -reset]} {file delete -force -- $folder}
    set verb [expr {[file isdirectory $folder] ? "Opening" : "Creating and opening"}]
    file mkdir $folder
    dict set stand_in::project solution [lindex $rest 0]
    puts "INFO: \[HLS 200-10\] $verb solution '[file normalize $folder]'."
}

stand_in::define config_compile {
    -name_max_length 1 -pipeline_loops 1 -unsafe_math_optimizations 1 -no_signed_zeros 1 -complex-mul-dsp 1 -pipeline_style 1
} 0 0 {stand_in::solution_folder}
stand_in::define config_schedule {-enable_dsp_full_reg 1 -effort 1 -relax_ii_for_timing 1 -verbose 1} 0 0 {stand_in::solution_folder}
stand_in::define config_interface {-m_axi_addr64 1 -m_axi_latency 1 -register_io 1 -clock_enable 1 -expose_global 1} 0 0 {stand_in::solution_folder}
stand_in::define config_dataflow {-default_channel 1 -fifo_depth 1 -start_fifo_depth 1 -strict_mode 1 -scalar_fifo_depth 1} 0 0 {stand_in::solution_folder}
stand_in::define config_rtl {-reset 1 -reset_level 1 -register_reset_num 1 -module_prefix 1 -module_auto_prefix 1} 0 0 {stand_in::solution_folder}
stand_in::define config_export {-format 1 -version 1 -rtl 1 -flow 1 -output 1 -vendor 1 -library 1} 0 0 {stand_in::solution_folder}
# Vitis HLS has lost the option that hls4ml writes, and its errors for it do not end a script that catches them.
if {$stand_in::vitis} {
    stand_in::define config_array_partition {-complete_threshold 1 -throughput_driven 1} 0 0 {stand_in::solution_folder}
} else {
    stand_in::define config_array_partition {-maximum_size 1 -auto_partition_threshold 1 -auto_promotion_threshold 1} 0 0 {
        stand_in::solution_folder
    }
}

stand_in::define set_part {-board 1} 1 1 {
    stand_in::solution_folder
    set part [string trim [lindex $rest 0]]
    if {[stand_in::act part name $part]} {stand_in::fail "ERROR: \[HLS 200-1023\] Part '$part' is not installed."}
    dict set stand_in::solution part $part
    puts "INFO: \[HLS 200-1611\] Setting target device to '$part'"
}

stand_in::define create_clock {-period 1 -name 1} 0 1 {
    stand_in::solution_folder
    set period [stand_in::given $opt -period 10]
    if {[regexp -nocase {^([0-9.]+) *MHz$} $period -> megahertz]} {set period [expr {1000.0 / $megahertz}]}
    regsub -nocase {ns$} $period {} period
    if {![string is double -strict $period] || $period <= 0} {
        stand_in::fail "ERROR: \[HLS 200-101\] create_clock: Invalid clock period '$period'."
    }
    dict set stand_in::solution period $period
    puts "INFO: \[SYN 201-201\] Setting up clock '[stand_in::given $opt -name default]' with a period of ${period}ns."
}

stand_in::define set_clock_uncertainty {} 1 2 {
    stand_in::solution_folder
    if {![regexp {^[0-9.]+(%|ns)?$} [lindex $rest 0]]} {
        stand_in::fail "ERROR: \[HLS 200-101\] set_clock_uncertainty: Invalid uncertainty '[lindex $rest 0]'."
    }
    dict set stand_in::solution uncertainty [lindex $rest 0]
}

stand_in::define csim_design {-O 0 -clean 0 -setup 0 -ldflags 1 -argv 1 -profile 0 -mflags 1 -compiler 1} 0 0 {
    puts "INFO: \[SIM 211-2\] *************** CSIM start ***************"
    if {[stand_in::act csim {*}[stand_in::facts]]} {
        puts "ERROR: \[SIM 211-100\] 'csim_design' failed: compilation error(s)."
        stand_in::fail "INFO: \[SIM 211-3\] *************** CSIM finish ***************" "4"
    }
    puts "INFO: \[SIM 211-1\] CSim done with 0 errors."
    puts "INFO: \[SIM 211-3\] *************** CSIM finish ***************"
}

stand_in::define csynth_design {-dump_post_cfg 0 -synthesis_check 0} 0 0 {
    set facts [stand_in::facts]
    dict set stand_in::solution synthesized 0
    if {[dict get $stand_in::solution part] eq ""} {stand_in::fail "ERROR: \[HLS 200-1023\] No part is set: use set_part first."}
    if {[stand_in::act csynth {*}$facts]} {
        if {$stand_in::vitis} {puts "ERROR: \[HLS 200-1715\] Encountered problem during source synthesis"}
        stand_in::fail "[expr {$stand_in::vitis ? "Pre-synthesis failed." : "Failed during preprocessing."}]"
    }
    dict set stand_in::solution synthesized 1
}

stand_in::define cosim_design {
    -O 0 -setup 0 -rtl 1 -tool 1 -trace_level 1 -argv 1 -clean 0 -ldflags 1 -wave_debug 0 -random_stall 0 -enable_dataflow_profiling 1
} 0 0 {
    stand_in::need_synthesis "ERROR: \[COSIM 212-5\] *** C/RTL co-simulation file generation failed: run csynth_design first. ***"
    set facts [stand_in::facts]
    puts "INFO: \[COSIM 212-47\] Using XSIM for RTL simulation."
    set folder [file join [dict get $facts folder] sim verilog]
    set top [dict get $facts top]
    file mkdir $folder
    set file [open [file join $folder $top.tcl] w]
    puts $file "log_wave -r /\nset designtopgroup \[add_wave_group \"Design Top Signals\"\]\nrun all\nquit"
    close $file
    set file [open [file join $folder run_sim.tcl] w]
    puts $file "# Runs the simulator on what was set up here.\nstand_in::simulate"
    close $file
    puts "INFO: \[COSIM 212-302\] Starting C TB testing ... "
    if {![dict exists $opt -setup]} {
        set here [pwd]
        cd $folder
        stand_in::simulate
        cd $here
    }
}

# What run_sim.tcl does; it stands in sim/verilog and is run there.
proc stand_in::simulate {} {
    variable project
    set here [pwd]
    cd [string range $here 0 [expr {[string last "/[dict get $project folder]/" "$here/"] - 1}]]
    set failed [act cosim {*}[facts]]
    cd $here
    if {$failed} {fail "ERROR: \[COSIM 212-4\] *** C/RTL co-simulation finished: FAIL ***"}
    puts "INFO: \[COSIM 212-1000\] *** C/RTL co-simulation finished: PASS ***"
}

stand_in::define export_design {
    -format 1 -version 1 -flow 1 -rtl 1 -evaluate 1 -vendor 1 -library 1 -description 1 -display_name 1 -ipname 1 -output 1 -taxonomy 1
} 0 0 {
    stand_in::need_synthesis "ERROR: \[IMPL 213-28\] Failed to generate IP: run csynth_design first."
    set format [stand_in::given $opt -format ip_catalog]
    if {$format ni {ip_catalog sysgen syn_dcp xo}} {stand_in::fail "ERROR: \[HLS 200-101\] export_design: Invalid format '$format'."}
    set flow [stand_in::given $opt -flow [expr {[dict exists $opt -evaluate] ? "syn" : "none"}]]
    if {$flow ni {none syn impl}} {stand_in::fail "ERROR: \[HLS 200-101\] export_design: Invalid flow '$flow'."}
    puts "INFO: \[IMPL 213-8\] Exporting RTL as a Vivado IP."
    if {[stand_in::act export {*}[stand_in::facts] flow $flow ip_version [stand_in::given $opt -version 1.0]]} {
        stand_in::fail "ERROR: \[IMPL 213-28\] Failed to generate IP."
    }
}

stand_in::define close_project {} 0 0 {dict set stand_in::project folder ""}
stand_in::define close_solution {} 0 0 {dict set stand_in::project solution ""}
foreach command {set_directive_pipeline set_directive_dataflow set_directive_inline set_directive_unroll set_directive_array_partition} {
    stand_in::define $command {-II 1 -off 0 -factor 1 -type 1 -dim 1 -recursive 0 -style 1} 1 2 {stand_in::solution_folder}
}
